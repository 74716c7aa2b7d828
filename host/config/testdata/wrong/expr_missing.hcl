backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_size" {
  spare = backend.disk
}
