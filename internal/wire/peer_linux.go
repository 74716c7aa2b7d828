package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// parentOnly makes a server refuse every peer but the process that started
// this one.
func parentOnly() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.Creds(&peerCredentials{pid: os.Getppid(), uid: os.Getuid()})}
}

// peerCredentials accept a unix socket's peer by process and user id, as the
// kernel recorded them when it connected. Nothing is sent.
type peerCredentials struct{ pid, uid int }

func (c *peerCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, nil, errors.New("the peer of a plugin must come through a unix socket")
	}
	raw, err := unixConn.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(err, credErr); err != nil {
		return nil, nil, fmt.Errorf("reading the peer's credentials: %w", err)
	}
	if int(cred.Pid) != c.pid || int(cred.Uid) != c.uid {
		return nil, nil, fmt.Errorf("process %d of user %d is not the host: only process %d of user %d is served", cred.Pid, cred.Uid, c.pid, c.uid)
	}
	info := credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
	return conn, peerInfo{info}, nil
}

func (c *peerCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errors.New("peer credentials are for servers")
}

func (c *peerCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peercred"}
}

func (c *peerCredentials) Clone() credentials.TransportCredentials {
	clone := *c
	return &clone
}

func (c *peerCredentials) OverrideServerName(string) error { return nil }

type peerInfo struct{ credentials.CommonAuthInfo }

func (peerInfo) AuthType() string { return "peercred" }
