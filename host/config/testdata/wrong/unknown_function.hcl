backend "cloud" {
  plugin = "supabase"
  config {
    url              = getenv("SUPABASE_URL")
    service_role_key = fiel("secrets/supabase")
  }
}
