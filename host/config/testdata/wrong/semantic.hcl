backend "disk" {
  plugin = "local"

  config {
    path      = "./data"
    max_bytes = "1GiB"
  }
}
