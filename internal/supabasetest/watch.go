package supabasetest

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// watch reads the schema again when a migration notifies the channel pgrst, and
// after the database was away, since notifications were lost meanwhile. The
// first connection is made before it returns, so that none is lost at the start.
func (p *Project) watch(base, ctx context.Context) error {
	conn, err := p.subscribe(ctx)
	if err != nil {
		return err
	}
	p.watching.Go(func() {
		for {
			p.follow(base, conn)
			if conn = p.resubscribe(base); conn == nil {
				return
			}
		}
	})
	return nil
}

func (p *Project) subscribe(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, p.cluster.DSN(p.database, roleAuthenticator))
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "listen pgrst"); err != nil {
		conn.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return conn, nil
}

// follow returns when the connection ends.
func (p *Project) follow(base context.Context, conn *pgx.Conn) {
	defer conn.Close(context.WithoutCancel(base))
	for {
		notification, err := conn.WaitForNotification(base)
		if err != nil {
			return
		}
		switch notification.Payload {
		case "", "reload schema", "reload config":
			// The old reading stays if it fails; the next connection tries again.
			_ = p.ReloadSchema(base)
		}
	}
}

// resubscribe tries until the database is back, or returns nil at the project's
// end.
func (p *Project) resubscribe(base context.Context) *pgx.Conn {
	const pause = 50 * time.Millisecond
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-base.Done():
			return nil
		case <-timer.C:
		}
		if conn, err := p.subscribe(base); err == nil {
			_ = p.ReloadSchema(base)
			return conn
		}
		timer.Reset(pause)
	}
}
