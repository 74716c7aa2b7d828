backend "cloud" {
  plugin = "supabase"
}
