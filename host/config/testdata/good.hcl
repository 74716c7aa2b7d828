host {
  plugin_dirs     = ["./plugins", "/usr/lib/stowage"]
  data_dir        = "./data"
  listen          = "0.0.0.0:${env("PORT")}"
  max_object_size = "5GiB"
  tokens          = [file("secrets/token"), env("SUPABASE_KEY")]

  tls {
    cert_file = "cert.pem"
    key_file  = "/etc/ssl/key.pem"
  }
}

plugin "supabase" {
  version       = ">= 1.0"
  env           = ["HTTPS_PROXY"]
  isolation     = "dedicated"
  start_timeout = "20s"
}

backend "disk" {
  plugin   = "local"
  priority = 10
  config { path = "./data/disk" }
}

backend "memory" {
  plugin = "local"
}

backend "cloud" {
  plugin   = "supabase"
  priority = 10
  timeout  = "5s"

  retry { max_attempts = 4 }
  breaker {
    failures = 3
    open_for = "1m"
  }

  config {
    url              = "https://project.supabase.co"
    service_role_key = file("secrets/key")
    headers          = { accept = "text/plain" }

    mirror { region = "eu" }
    mirror {
      region = "us"
      lag    = "5s"
    }
  }
}

backend "spare" {
  plugin   = "local"
  enabled  = false
  priority = 99
}

policy "first_available" "hot" {
  order = [backend.memory, policy.safe, backend.disk]
}

policy "always_use" "safe" {
  backend = backend.cloud
}

policy "custom" "by_size" {
  place = ( # large ones are rare
    size > 1048576 ? backend.cloud :
    metadata["tier"] == "hot" ? policy.hot : backend.cloud
  ) # behind it
  spare = backend.disk
}

route "models/" { to = policy.safe }
route ""        { to = policy.hot }
