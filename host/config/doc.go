// Package config reads the configuration of a host: an HCL file that names
// plugins, backends, policies and routes.
//
// It does so in two stages, because the folders of plugins stand in the file
// while the meaning of each config block is known to a plugin alone. [Load]
// reads everything else: it evaluates env() and file(), resolves references
// and paths, and finds names that are taken, missing or misspelt. [Config.Resolve]
// then asks each backend's plugin, through a [Describer], for the schema of
// its config block and for what it thinks of the values.
//
// Every problem is an hcl.Diagnostic at the operator's line and column, and
// [FormatDiagnostics] shows it with the source line and what to do.
//
// Secrets stay secret: neither the value of a sensitive attribute nor the
// result of env() or file() is quoted, source lines are shown with literal
// secrets replaced, what plugins say is searched for the secrets they were
// given, and diagnostics carry no expressions that hcl could evaluate again.
// Where a file cannot even be parsed, lines are masked by the looks of the
// attribute's name.
//
// The package keeps no state and starts no goroutines.
package config
