backend "disk" {
  plugin = "local"
}

policy "first_available" "a" {
  order = [backend.disk, policy.b]
}

policy "always_use" "b" {
  backend = policy.c
}

policy "always_use" "c" {
  backend = policy.a
}
