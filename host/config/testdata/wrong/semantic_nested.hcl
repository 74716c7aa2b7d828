backend "cloud" {
  plugin = "supabase"
  config {
    url              = "https://project.supabase.co"
    service_role_key = env("SUPABASE_KEY")

    mirror {
      region = "eu"
    }
    mirror {
      region = "mars"
    }
  }
}
