backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_size" {
  place = size > "1MiB" ? backend.disk : backend.mem
}
