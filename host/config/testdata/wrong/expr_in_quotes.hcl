backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_size" {
  place = "size > 1 ? backend.disk : backend.mem"
}
