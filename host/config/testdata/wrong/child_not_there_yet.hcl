plugin "tape" {
  transport = "child"
}

backend "tape" {
  plugin = "tape"
}
