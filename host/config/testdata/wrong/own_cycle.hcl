policy "always_use" "a" {
  backend = policy.a
}
