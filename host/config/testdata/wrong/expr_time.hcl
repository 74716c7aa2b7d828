backend "disk" { plugin = "local" }
backend "mem"  { plugin = "local" }

policy "custom" "by_hour" {
  place = (
    # what is written at night goes to the disk
    hour(now()) < 6 ? backend.disk : backend.mem
  )
}
