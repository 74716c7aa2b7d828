plugin "local" {
  isolation = "dedicate"
}

host {
  log_level = "verbose"
}
