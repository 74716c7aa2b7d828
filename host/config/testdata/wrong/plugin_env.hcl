plugin "local" {
  env = ["HTTPS_PROXY", "HOME=/root"]
}
