host {
  plugin_dirs = ["./plugins", "/usr/lib/stowage"]
}

backend "disk" {
  plugin = "locl"
}
