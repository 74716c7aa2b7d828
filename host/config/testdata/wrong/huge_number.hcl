host {
  listen        = "127.0.0.1:${1e99999999}"
  allowed_hosts = [-1e-99999999]
}
