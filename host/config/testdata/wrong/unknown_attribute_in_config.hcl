backend "disk" {
  plugin = "local"
  config {
    pth      = "./data/disk"
    compress = true
  }
}
