backend "my disk" {
  plugin = "local"
}
