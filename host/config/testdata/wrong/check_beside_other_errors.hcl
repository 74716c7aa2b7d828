backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

host { drain_timeout = 5 }
policy "redundant" "safe" {
  replicas = [backend.disk, backend.mem]
}
