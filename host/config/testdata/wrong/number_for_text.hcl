backend "cloud" {
  plugin = "supabase"
  config {
    url              = "https://project.supabase.co"
    bucket           = 2024
    service_role_key = env("SUPABASE_KEY")
  }
}
