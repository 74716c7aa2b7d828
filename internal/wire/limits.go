package wire

import "time"

// Limits of the protocol. Both sides set them explicitly.
const (
	// MaxMessageBytes bounds one message in either direction. The largest is a
	// batch: 4 MiB of values beside at most 1000 keys of 1 KiB, with 4 KiB of
	// metadata each.
	MaxMessageBytes = 16 << 20
	// MaxChunkBytes is the most data a peer may put into one message of a
	// streamed value.
	MaxChunkBytes = 1 << 20
	// chunkBytes is what this implementation puts into one.
	chunkBytes = 256 << 10
	// listPartBytes is about how much of a page goes into one message.
	listPartBytes = 1 << 20
	// MaxConcurrentCalls bounds the calls one connection may have under way;
	// more wait at the caller until their deadline.
	MaxConcurrentCalls = 1024
	// DefaultShutdownGrace is how long a plugin may take to close its backends
	// when the host names no time.
	DefaultShutdownGrace = 5 * time.Second
	// maxConfigBytes bounds a backend's configuration in JSON.
	maxConfigBytes = 1 << 20
)
