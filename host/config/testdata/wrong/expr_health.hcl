backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "spill" {
  place = health.mem == "ok" ? backend.mem : backend.disk
}
