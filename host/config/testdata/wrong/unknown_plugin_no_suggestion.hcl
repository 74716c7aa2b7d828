backend "tape" {
  plugin = "tape-library"
}
