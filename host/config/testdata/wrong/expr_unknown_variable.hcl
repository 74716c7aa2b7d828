backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_size" {
  place = siz > 1 ? backend.disk : contentType == "a" ? backend.disk : backend.mem
}
