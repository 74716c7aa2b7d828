backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_size" {
  place = size > 1 ? backend.disk : policy.rest
}
policy "always_use" "rest" { backend = policy.by_size }
