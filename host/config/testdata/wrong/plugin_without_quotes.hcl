backend "disk" {
  plugin = local
}
