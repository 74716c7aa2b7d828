backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_key" {
  place = starts_with(key, "tmp/") ? backend.disk : backend.mem
}
