backend "disk" { plugin = "local" }
backend "mem" {
  plugin  = "local"
  enabled = false
}
policy "custom" "by_size" {
  place = size > 1 ? backend.disk : backend.mem
}
