package supabasetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// rows connects anew and counts the rows of a table.
func rows(t *testing.T, c *Cluster, table string) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.DSN("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var count int
	if err := conn.QueryRow(t.Context(), "select count(*) from "+table).Scan(&count); err != nil {
		t.Fatal(err)
	}
	return count
}

func TestClusterKeepsWhatWasCommittedWhenItIsKilled(t *testing.T) {
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%t", durable), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			c, err := StartCluster(ctx, ClusterOptions{Durable: durable})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
				if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
					t.Errorf("the directory is still there: %v", err)
				}
			})
			if err := c.execute(ctx, "postgres", "create table t (n int)", "insert into t values (1)"); err != nil {
				t.Fatal(err)
			}
			c.Kill()
			if _, err := pgx.Connect(ctx, c.DSN("postgres", "postgres")); err == nil {
				t.Fatal("a killed cluster accepts connections")
			}
			if err := c.Start(ctx); err != nil {
				t.Fatal(err)
			}
			if err := c.execute(ctx, "postgres", "insert into t values (2)"); err != nil {
				t.Fatal(err)
			}
			if err := c.Restart(ctx); err != nil {
				t.Fatal(err)
			}
			if got := rows(t, c, "t"); got != 2 {
				t.Errorf("%d rows after a kill and a restart, want 2", got)
			}
		})
	}
}

func TestKillDoesNotWaitForABusyStatement(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c, err := StartCluster(ctx, ClusterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn, err := pgx.Connect(ctx, c.DSN("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	ended := make(chan error, 1)
	go func() {
		// it ends by itself should this test not live to see its end
		if _, err := conn.Exec(ctx, "set statement_timeout = '1min'"); err != nil {
			ended <- err
			return
		}
		_, err := conn.Exec(ctx, "do $$ begin raise warning 'busy'; loop end loop; end $$")
		ended <- err
	}()
	watcher, err := pgx.Connect(ctx, c.DSN("postgres", "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Close(context.Background())
	busy := 0
	for busy == 0 {
		err := watcher.QueryRow(ctx,
			"select count(*) from pg_stat_activity where state = 'active' and query like 'do %'").Scan(&busy)
		if err != nil {
			t.Fatal(err)
		}
	}
	c.Kill()
	if err := <-ended; err == nil || ctx.Err() != nil {
		t.Errorf("the statement ended with %v, and the test's time with %v", err, ctx.Err())
	}
}

// abandonEnv makes the test binary start a cluster and wait to be killed.
const abandonEnv = "SUPABASETEST_ABANDON"

func abandon() {
	c, err := StartCluster(context.Background(), ClusterOptions{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(c.dir)
	select {}
}

func TestNoPostgresOutlivesAKilledTest(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), abandonEnv+"=1")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	dir, readErr := bufio.NewReader(output).ReadString('\n')
	dir = strings.TrimSpace(dir)
	t.Cleanup(func() { os.RemoveAll(dir) })
	lines, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err := errors.Join(readErr, err); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(lines), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	postmaster, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(postmaster)
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := command.Wait(); err == nil {
		t.Error("a killed process succeeded")
	}
	const patience = 20_000 // milliseconds
	poll := []unix.PollFd{{Fd: int32(postmaster), Events: unix.POLLIN}}
	ready, err := unix.Poll(poll, patience)
	for errors.Is(err, unix.EINTR) {
		ready, err = unix.Poll(poll, patience)
	}
	if err != nil || ready != 1 {
		t.Errorf("postgres is still there: %v", err)
	}
}

func TestClusterThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, err := StartCluster(ctx, ClusterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Kill()
	c.port = shared.port
	if err := c.Start(ctx); err == nil || !strings.Contains(err.Error(), "could not bind") {
		t.Errorf("starting on a port that is taken: %v", err)
	}
}
