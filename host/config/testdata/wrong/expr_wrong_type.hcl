backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_size" {
  place = size ? backend.disk : key == 1 ? backend.mem : backend.disk
}
