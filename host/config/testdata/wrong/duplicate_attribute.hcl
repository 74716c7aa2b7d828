backend "disk" {
  plugin  = "local"
  enabled = true
  enabled = false
}
