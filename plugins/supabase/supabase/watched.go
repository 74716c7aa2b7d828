package supabase

import (
	"io"
	"time"
)

// watchedBody is the body of a request that may take as long as it likes while
// it moves: each read puts the watchdog off.
type watchedBody struct {
	io.Reader
	watchdog *time.Timer
	timeout  time.Duration
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	b.watchdog.Reset(b.timeout)
	return b.Reader.Read(p)
}
