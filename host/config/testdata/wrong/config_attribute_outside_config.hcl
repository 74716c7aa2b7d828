backend "cloud" {
  plugin           = "supabase"
  service_role_key = "sk-hunter2"
}
