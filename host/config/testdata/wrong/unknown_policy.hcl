backend "disk" {
  plugin = "local"
}

policy "first_availible" "a" {
  order = [backend.disk]
}

policy "mirror" "b" {
  order = [backend.disk]
}

route "" { to = policy.a }
