package wire

// OpenThroughTheWire is for tests with backends whose packages import this one.
var OpenThroughTheWire = open
