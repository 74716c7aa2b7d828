backnd "disk" {
  plugin = "local"
}
