// Package host embeds Stowage in a Go program.
//
//	h, err := host.New(host.Options{ConfigPath: "config.hcl"})
//	if err != nil { … }
//	if err := h.Start(ctx); err != nil { … }
//	defer h.Close(context.Background())
//	_, err = h.Store().Put(ctx, "models/a", body, storage.PutOptions{})
//
// A Host installs no signal handler, touches no global state, and logs only to
// the logger it was given. After Close it has left no goroutine, process,
// socket or lock. Several hosts may live in one program.
package host
