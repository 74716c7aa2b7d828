backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "redundant" "safe" {
  replicas = [
    backend.disk,
    policy.outer,
    policy.twice,
  ]
}
policy "first_available" "outer" { order = [policy.inner, policy.by_size, policy.other, backend.mem] }
policy "first_available" "twice" { order = [backend.mem, policy.inner] }
policy "always_use" "inner" { backend = policy.by_size }
policy "custom" "other" { place = policy.inner }
policy "custom" "by_size" {
  place = size > 1 ? backend.disk : backend.mem
}
