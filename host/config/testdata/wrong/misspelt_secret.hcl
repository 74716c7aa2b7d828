backend "cloud" {
  plugin = "supabase"
  config {
    url              = "https://project.supabase.co"
    service_role_kee = "sk-hunter2"
  }
}
