backend "cloud" {
  plugin = "supabase"
  config {
    url              = "https://refused.supabase.co"
    service_role_key = env("SUPABASE_KEY")
  }
}
