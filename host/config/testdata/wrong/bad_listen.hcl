host {
  listen = "localhost"
}
