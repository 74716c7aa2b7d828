package journal

import (
	"fmt"
	"time"
)

// Close makes what was told so far durable and ends the use of the journal. Of
// a journal that failed it says why. A disk that does not answer is given up
// after ten seconds. Closing again does nothing.
func (j *Journal) Close() error {
	j.mu.Lock()
	closed := j.closed
	j.closed = true
	if j.halt == nil {
		j.halt = ErrClosed
	}
	j.mu.Unlock()
	if closed {
		return nil
	}
	close(j.closing)
	j.awaitCommitter()
	return j.closeDatabase()
}

// Grace of Close: for a disk that is merely slow, and for one that failed.
const (
	closeGrace   = 10 * time.Second
	abandonGrace = 2 * time.Second
)

func (j *Journal) awaitCommitter() {
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-j.drained:
	case <-j.fault.set:
	case <-grace.C:
		j.fault.fail(fmt.Errorf("the disk did not answer within %s", closeGrace))
	}
}

// closeDatabase closes the database. One that failed may never come back from
// it, and is left behind.
func (j *Journal) closeDatabase() error {
	cause := j.fault.err()
	if cause == nil {
		return firstError(j.db.Close(), j.lock.Close())
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		defer func() { _ = recover() }() // what it says about its state is no news
		<-j.drained
		_ = j.db.Close()
	}()
	grace := time.NewTimer(abandonGrace)
	defer grace.Stop()
	select {
	case <-closed:
	case <-grace.C:
		_ = j.lock.Close() // the reference of the database
	}
	_ = j.lock.Close()
	return cause
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
