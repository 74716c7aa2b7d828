backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "redundant" "safe" {
  replicas = [backend.disk, backend.nem]
}
