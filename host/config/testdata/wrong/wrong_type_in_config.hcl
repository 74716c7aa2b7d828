backend "disk" {
  plugin = "local"
  config {
    path = ["./data"]
    sync = "yes"
  }
}
