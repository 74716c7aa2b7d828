host {
  listen    = "127.0.0.1:7465"
  log_level = "loud"
}

backend "disk" {
  plugin  = "local"
  timeout = "soon"
}

route "a/" { to = backend.dsk }
