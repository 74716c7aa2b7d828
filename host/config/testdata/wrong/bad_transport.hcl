plugin "a" {
  transport = "dial"
}

backend "a" { plugin = "local" }
