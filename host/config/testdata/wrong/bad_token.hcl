host {
  tokens = ["good-token", "hunter2 with spaces"]
}
