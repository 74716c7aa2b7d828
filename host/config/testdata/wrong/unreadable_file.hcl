backend "cloud" {
  plugin = "supabase"
  config {
    url              = "https://project.supabase.co"
    service_role_key = file("secrets/supabase")
  }
}
