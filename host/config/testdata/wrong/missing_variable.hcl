backend "cloud" {
  plugin = "supabase"
  config {
    url              = env("SUPABASE_URL")
    service_role_key = env("SUPABASE_KEY")
  }
}
