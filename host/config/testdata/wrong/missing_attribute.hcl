backend "cloud" {
  plugin = "supabase"
  config {
    service_role_key = env("SUPABASE_KEY")
  }
}
