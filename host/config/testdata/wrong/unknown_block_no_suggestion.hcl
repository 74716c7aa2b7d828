storage "disk" {
  plugin = "local"
}
