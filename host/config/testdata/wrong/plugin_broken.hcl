backend "broken" {
  plugin = "broken"
}
