backend "disk" {
  plugin = "local"
}

backend "disk" {
  plugin = "local"
}
