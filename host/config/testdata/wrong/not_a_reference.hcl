backend "disk" {
  plugin   = "local"
  priority = backend.disk
}

policy "always_use" "a" {
  backend = "backend.disk"
}

policy "always_use" "b" {
  backend = disk
}

policy "first_available" "c" {
  order = backend.disk
}

policy "first_available" "d" {
  order = [backend.disk, backend.disk]
}
