backend "disk" {
  plugin = "local"
}

policy "first_available" "hot" {
  order = [backend.disc, policy.disk, policy.elsewhere]
}

route "" { to = policy.hto }
