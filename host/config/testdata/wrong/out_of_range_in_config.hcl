backend "disk" {
  plugin = "local"
  config {
    max_bytes = "2PiB"
  }
}
