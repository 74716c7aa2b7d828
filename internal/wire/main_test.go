package wire

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// foreignerEnv makes the test binary visit the socket it names.
const foreignerEnv = "WIRE_TEST_VISIT"

func TestMain(m *testing.M) {
	if socket := os.Getenv(foreignerEnv); socket != "" {
		os.Exit(visit(socket))
	}
	goleak.VerifyTestMain(m)
}

// visit asks the server at socket to describe itself: 0 answered, 3 refused.
func visit(socket string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("unix:"+socket, append(DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		return 4
	}
	defer conn.Close()
	if _, err := NewClient(conn).Describe(ctx); err != nil {
		return 3
	}
	return 0
}
