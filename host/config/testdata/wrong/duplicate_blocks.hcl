host {
  listen = "127.0.0.1:1"
}

host {
  data_dir = "/var/lib/stowage"
}

backend "disk" {
  plugin = "local"
  config {
    path = "./a"
  }
  config {
    path = "./b"
  }
}
