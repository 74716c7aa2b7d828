backend "disk" {
  plugin = "local"
}

backend "cloud" {
  plugin  = "supabase"
  enabled = false
}

policy "first_available" "both" {
  order = [backend.disk, backend.cloud]
}
