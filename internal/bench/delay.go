package main

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// delayed is a network between a client and a server on the same machine: what
// one side sends reaches the other a while later. It holds back each piece by
// itself, so it adds latency and takes no bandwidth.
type delayed struct {
	listener net.Listener
	target   string
	oneWay   time.Duration
	end      context.CancelFunc
	running  errgroup.Group
}

// delayTo opens a port that leads to the address target.
func delayTo(target string, oneWay time.Duration) (*delayed, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	d := &delayed{listener: l, target: target, oneWay: oneWay, end: end}
	d.running.Go(func() error { return d.accept(ctx) })
	return d, nil
}

func (d *delayed) addr() string { return d.listener.Addr().String() }

// close breaks the connections and waits for the end of their forwarding.
func (d *delayed) close() error {
	d.end()
	err := d.listener.Close()
	return errors.Join(err, d.running.Wait())
}

func (d *delayed) accept(ctx context.Context) error {
	for {
		client, err := d.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		d.running.Go(func() error { d.join(ctx, client); return nil })
	}
}

// join forwards in both directions until either side ends the connection. That
// it broke the client notices itself.
func (d *delayed) join(ctx context.Context, client net.Conn) {
	defer client.Close()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", d.target)
	if err != nil {
		return
	}
	hangUp := func() { client.Close(); server.Close() }
	defer context.AfterFunc(ctx, hangUp)()
	var both errgroup.Group
	both.Go(func() error { defer hangUp(); return d.forward(client, server) })
	both.Go(func() error { defer hangUp(); return d.forward(server, client) })
	_ = both.Wait()
}

// piece is something on its way.
type piece struct {
	due  time.Time
	data []byte
}

func (d *delayed) forward(from, to net.Conn) error {
	const window, pieceBytes = 64, 64 << 10 // together far more than is sent in a round trip
	onTheWay := make(chan piece, window)
	var reading errgroup.Group
	reading.Go(func() error {
		defer close(onTheWay)
		for {
			data := make([]byte, pieceBytes)
			n, err := from.Read(data)
			if n > 0 {
				onTheWay <- piece{time.Now().Add(d.oneWay), data[:n]}
			}
			if err != nil {
				return err
			}
		}
	})
	for p := range onTheWay {
		waitUntil(p.due)
		if _, err := to.Write(p.data); err != nil {
			from.Close() // and so end the reading, of which the rest is dropped
		}
	}
	return reading.Wait()
}

// waitUntil is more exact than the timers of an idle Go program, which are late
// by up to a millisecond.
func waitUntil(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		t := unix.NsecToTimespec(int64(left))
		_ = unix.Nanosleep(&t, nil) // a signal may end it early
	}
}
