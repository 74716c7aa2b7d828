backend "cloud" {
  plugin = "supabase"
  config { service_role_key = "sk-hunter2" }
  config { service_role_key = "sk-hunter2" }
}
