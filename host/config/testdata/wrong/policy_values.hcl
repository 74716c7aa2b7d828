backend "disk" {
  plugin = "local"
}

policy "first_available" "a" {
  order  = [backend.disk]
  writes = "stickey"
}

policy "first_available" "b" {
  writes = "sticky"
}
