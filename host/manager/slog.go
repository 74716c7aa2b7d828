package manager

import (
	"context"
	"log/slog"

	"github.com/hashicorp/go-hclog"
)

// slogHandler gives a plugin that is linked in the log of one that is not.
func (m *Manager) slogHandler(plugin string) slog.Handler {
	return &hclogHandler{log: m.log.Named(plugin)}
}

// hclogHandler writes records of log/slog to an hclog.Logger.
type hclogHandler struct {
	log   hclog.Logger
	group string
}

func (h *hclogHandler) Enabled(_ context.Context, l slog.Level) bool {
	return hclogLevel(l) >= h.log.GetLevel()
}

func (h *hclogHandler) Handle(_ context.Context, r slog.Record) error {
	args := make([]any, 0, 2*r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		args = append(args, h.group+a.Key, a.Value.Any())
		return true
	})
	h.log.Log(hclogLevel(r.Level), r.Message, args...)
	return nil
}

func (h *hclogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	args := make([]any, 0, 2*len(attrs))
	for _, a := range attrs {
		args = append(args, h.group+a.Key, a.Value.Any())
	}
	return &hclogHandler{h.log.With(args...), h.group}
}

func (h *hclogHandler) WithGroup(name string) slog.Handler {
	return &hclogHandler{h.log, h.group + name + "."}
}

func hclogLevel(l slog.Level) hclog.Level {
	switch {
	case l < slog.LevelDebug:
		return hclog.Trace
	case l < slog.LevelInfo:
		return hclog.Debug
	case l < slog.LevelWarn:
		return hclog.Info
	case l < slog.LevelError:
		return hclog.Warn
	default:
		return hclog.Error
	}
}
