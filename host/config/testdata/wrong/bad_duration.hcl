backend "disk" {
  plugin  = "local"
  timeout = 5

  retry {
    delay     = "fast"
    max_delay = "-1s"
  }
}
