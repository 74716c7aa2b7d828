backend {
  plugin = "local"
}

policy "first_available" {
  order = []
}
