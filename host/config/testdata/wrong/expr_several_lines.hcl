backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_size" {
  place = (
    size > 1048576      ? backend.disk :
    contentType == "a/b" ? backend.mem :
    backend.disc
  )
}
