backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_size" {
  place = size > 9 ? backend.dsik : size > 5 ? backend.mem : policy.disk
}
