backend "disk" {
  plugin  = "local"
  timeout = "0s"

  retry {
    max_attempts = 100
  }
}
