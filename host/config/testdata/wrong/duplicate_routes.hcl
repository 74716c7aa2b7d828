backend "disk" {
  plugin = "local"
}

route "models/" { to = backend.disk }
route "models/" { to = backend.disk }
