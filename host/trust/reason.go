package trust

import (
	"fmt"
	"strings"
)

// Reason says in one word why a file may not run as a plugin. The values are stable: status pages and tests may rely on
// them.
type Reason string

// The reasons.
const (
	NotFound      Reason = "not-found"      // no such file
	Unreadable    Reason = "unreadable"     // the host may not open or read it
	NotRegular    Reason = "not-regular"    // a directory, socket, pipe or device
	NotExecutable Reason = "not-executable" // no executable bit for the host
	NotOwned      Reason = "not-owned"      // the file, a link to it or a directory above belongs to somebody else
	GroupWritable Reason = "group-writable" // the file or a directory above can be changed by its group
	WorldWritable Reason = "world-writable" // the file or a directory above can be changed by everybody
	TooLarge      Reason = "too-large"      // over Policy.MaxSize
	Truncated     Reason = "truncated"      // empty, or an ELF file shorter than its own headers say
	WrongPlatform Reason = "wrong-platform" // an ELF file for another processor
	Busy          Reason = "busy"           // another process has it open for writing
	Changed       Reason = "changed"        // it was modified while it was read, or is not the file that was asked for
	NotCopied     Reason = "not-copied"     // the private copy could not be made or is damaged
)

// Error tells why a file is not trusted and what to do about it.
type Error struct {
	Plugin string // the path that was asked for
	Path   string // the file or directory at fault; may equal Plugin
	Reason Reason
	Detail string // what is wrong, without the path
	Fix    string // what the operator can do, usually a command; may be empty
	Err    error  // the cause, if it came from the system; may be nil
}

// Error is one line: the file at fault, what is wrong with it, and the cure.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Path, e.Detail)
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Plugin != e.Path {
		fmt.Fprintf(&b, " (on the way to %s)", e.Plugin)
	}
	if e.Fix != "" {
		fmt.Fprintf(&b, "; %s", e.Fix)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error with the same Reason, so that errors.Is(err, &trust.Error{Reason:
// trust.WorldWritable}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Reason == e.Reason
}

// shellQuote renders a path so that a suggested command can be pasted.
func shellQuote(path string) string {
	plain := strings.IndexFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+:@%,=", r) &&
			(r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) < 0
	if plain && path != "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
