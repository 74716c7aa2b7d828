package supervisor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

var errProcessEnded = errors.New("the plugin's process has ended")

// dial connects to the address of the handshake in the place of go-plugin's dialer. It makes sure that a process of the
// plugin's group listens there, and it dials no more once the process has ended: whoever inherited the listening socket
// must not be taken for the plugin.
func (r *processRunner) dial(ctx context.Context, _ string) (net.Conn, error) {
	r.mu.Lock()
	c, address := r.child, r.address
	r.mu.Unlock()
	if c == nil || address == nil {
		return nil, errors.New("the plugin has not shaken hands")
	}
	conn, err := new(net.Dialer).DialContext(ctx, address.Network(), address.String())
	if err != nil {
		return nil, err
	}
	if unixConn, ok := conn.(*net.UnixConn); ok {
		if err := c.listens(unixConn); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	kept := &keptConn{Conn: conn, runner: r}
	if err := r.keep(kept); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return kept, nil
}

// listens fails unless the peer, as the kernel recorded it when the socket began to listen, is in the child's group.
func (c *child) listens(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return err
	}
	if credErr != nil {
		return fmt.Errorf("credentials of the listener: %w", credErr)
	}
	if group, err := unix.Getpgid(int(cred.Pid)); err != nil || group != c.pid {
		return fmt.Errorf("process %d listens on the plugin's socket, but the plugin is process %d", cred.Pid, c.pid)
	}
	return nil
}

// keptConn is a connection that is closed at the latest when its process has ended.
type keptConn struct {
	net.Conn
	runner *processRunner
}

func (k *keptConn) Close() error {
	k.runner.mu.Lock()
	delete(k.runner.conns, k)
	k.runner.mu.Unlock()
	return k.Conn.Close()
}

func (r *processRunner) keep(k *keptConn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return errProcessEnded
	}
	r.conns[k] = struct{}{}
	return nil
}

// hangUp closes the connections to a process that has ended.
func (r *processRunner) hangUp() {
	r.mu.Lock()
	conns := slices.Collect(maps.Keys(r.conns))
	r.ended = true
	r.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// resolve checks and remembers the address of the handshake.
func (r *processRunner) resolve(network, address string) error {
	var addr net.Addr = &net.UnixAddr{Net: network, Name: address}
	if network == "tcp" {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("address of the handshake: %w", err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		ip := net.ParseIP(host)
		if err != nil || ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("the plugin listens on %s, not on a loopback address", address)
		}
		addr = &net.TCPAddr{IP: ip, Port: int(number)}
	}
	r.mu.Lock()
	r.address = addr
	r.mu.Unlock()
	return nil
}
