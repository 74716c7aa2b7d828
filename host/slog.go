package host

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/hashicorp/go-hclog"
)

// SlogLogger returns a logger for [Options] that writes to a handler of
// log/slog. Levels are those of the handler; trace is four below debug. The
// name of a subsystem or plugin is the attribute "logger".
func SlogLogger(h slog.Handler) hclog.Logger {
	log := hclog.NewInterceptLogger(&hclog.LoggerOptions{Level: slogFloor(h), Output: io.Discard})
	log.RegisterSink(slogSink{h})
	return log
}

type slogSink struct{ handler slog.Handler }

// Accept implements hclog.SinkAdapter.
func (s slogSink) Accept(name string, level hclog.Level, msg string, args ...any) {
	ctx := context.Background()
	if !s.handler.Enabled(ctx, slogLevel(level)) {
		return
	}
	r := slog.NewRecord(time.Now(), slogLevel(level), msg, 0)
	if name != "" {
		r.AddAttrs(slog.String("logger", name))
	}
	r.Add(args...)
	_ = s.handler.Handle(ctx, r) // a log that cannot be written is nobody's fault here
}

// slogFloor is the lowest level the handler takes, so that nothing below it is
// formatted.
func slogFloor(h slog.Handler) hclog.Level {
	for level := hclog.Trace; level <= hclog.Error; level++ {
		if h.Enabled(context.Background(), slogLevel(level)) {
			return level
		}
	}
	return hclog.Off
}

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Trace:
		return slog.LevelDebug - 4
	case hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}
