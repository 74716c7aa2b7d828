backend "tape" {
  plugin  = "tape"
  enabled = false
}

backend "cloud" {
  plugin  = "supabase"
  enabled = false
  config {
    url = env("SUPABASE_URL")
  }
}
