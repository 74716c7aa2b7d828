host {
  max_object_size = "5 GB of data"
}
