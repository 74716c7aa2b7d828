plugin "a" {
  transport = "dial"
}

plugin "b" {
  address = "unix:/run/b.sock"
}

plugin "c" {
  transport = "dial"
  address   = "localhost:7465"
}
