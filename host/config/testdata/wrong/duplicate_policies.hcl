backend "disk" {
  plugin = "local"
}

policy "always_use" "safe" {
  backend = backend.disk
}

policy "first_available" "safe" {
  order = [backend.disk]
}
