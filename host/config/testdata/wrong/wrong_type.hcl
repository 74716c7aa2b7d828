host {
  allowed_hosts = "example.org"
}

backend "disk" {
  plugin   = "local"
  priority = "high"
}
