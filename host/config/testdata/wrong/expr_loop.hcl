backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_key" {
  place = [for part in split("/", key) : part][0] == "tmp" ? backend.mem : backend.disk
}
