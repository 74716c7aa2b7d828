backend "disk" {
  plugin "local"
}
