package supervisor

import "github.com/hashicorp/go-hclog"

// demoted is go-plugin's logger. It calls the end of every process an error and its own expectations warnings; what
// matters of that, the supervisor says itself, so all of it goes to trace.
type demoted struct{ hclog.Logger }

func (d demoted) Log(_ hclog.Level, msg string, args ...any) { d.Trace(msg, args...) }
func (d demoted) Debug(msg string, args ...any)              { d.Trace(msg, args...) }
func (d demoted) Info(msg string, args ...any)               { d.Trace(msg, args...) }
func (d demoted) Warn(msg string, args ...any)               { d.Trace(msg, args...) }
func (d demoted) Error(msg string, args ...any)              { d.Trace(msg, args...) }
func (d demoted) Named(name string) hclog.Logger             { return demoted{d.Logger.Named(name)} }

func (d demoted) With(args ...any) hclog.Logger { return demoted{d.Logger.With(args...)} }
