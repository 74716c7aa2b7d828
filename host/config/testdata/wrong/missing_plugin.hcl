backend "disk" {
  config {
    path = "./data"
  }
}
