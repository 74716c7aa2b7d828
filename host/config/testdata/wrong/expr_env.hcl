backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_env" {
  place = env("SUPABASE_KEY") == "x" ? backend.mem : backend.disk
}
