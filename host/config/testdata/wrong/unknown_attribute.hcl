backend "disk" {
  plugin   = "local"
  priorty  = 10

  config {
    pth = "./data/disk"
  }
}
