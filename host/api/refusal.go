package api

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// explainingListener gives the answers net/http writes by itself, to requests
// it cannot parse (a broken escape in the path, say), the form of all other
// errors. They are told from a handler's by their header, which has no date.
type explainingListener struct{ net.Listener }

func (l explainingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return explainingConn{tcp}, err
	}
	return conn, err
}

type explainingConn struct{ *net.TCPConn }

func (c explainingConn) Write(p []byte) (int, error) {
	status, detail, ok := parseRefusal(p)
	if !ok {
		return c.TCPConn.Write(p)
	}
	code := storage.CodeInvalidArgument.String()
	doc := encodeProblem(problem{status: status, Code: code, Detail: detail})
	answer := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), problemType, headerCode, code, len(doc), doc)
	if _, err := c.TCPConn.Write(answer); err != nil {
		return 0, err
	}
	return len(p), nil
}

// parseRefusal takes apart what net/http answers outside of any handler.
func parseRefusal(p []byte) (status int, detail string, ok bool) {
	const maxRefusal = 1024
	rest, ok := bytes.CutPrefix(p, []byte("HTTP/1.1 "))
	if !ok || len(p) > maxRefusal {
		return 0, "", false
	}
	line, rest, _ := bytes.Cut(rest, []byte("\r\n"))
	body, ok := bytes.CutPrefix(rest, []byte("Content-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"))
	if !ok || len(line) < 3 {
		return 0, "", false
	}
	status, err := strconv.Atoi(string(line[:3]))
	detail = fmt.Sprintf("the request is not well-formed HTTP (%s); is its path percent-encoded?", body)
	return status, detail, err == nil && status >= 400
}
