plugin "local" {
  version = "latest"
}
