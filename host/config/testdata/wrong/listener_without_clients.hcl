host {
  listen = ":7465"
  tls {
    cert_file = "cert.pem"
    key_file  = "key.pem"
  }
}
