backend "cloud" {
  plugin = "supabase"
  config {
    url              = "http://project.supabase.co"
    service_role_key = "hunter2"
  }
}
