package trust

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"syscall"
)

// DefaultMaxSize is the largest plugin binary that is accepted unless Policy.MaxSize says otherwise.
const DefaultMaxSize = 512 << 20

// Policy says who may own a plugin and how large it may be. The zero value is the sensible default. A Policy is not
// modified by its methods and may be used from several goroutines.
type Policy struct {
	// Owners are the user ids that may own a plugin and the directories above it. Nil means root and the effective
	// user of this process.
	Owners []uint32

	// MaxSize bounds a binary, in bytes. 0 means DefaultMaxSize.
	MaxSize int64
}

func (p Policy) owners() []uint32 {
	if p.Owners != nil {
		return p.Owners
	}
	return []uint32{0, uint32(os.Geteuid())}
}

func (p Policy) maxSize() int64 {
	if p.MaxSize > 0 {
		return p.MaxSize
	}
	return DefaultMaxSize
}

// checkOwner refuses what belongs to a stranger: he could change it, or its mode, at any time.
func (p Policy) checkOwner(plugin, path string, st *syscall.Stat_t) error {
	if slices.Contains(p.owners(), st.Uid) {
		return nil
	}
	return &Error{
		Plugin: plugin, Path: path, Reason: NotOwned,
		Detail: fmt.Sprintf("belongs to %s, but a plugin and every directory above it must belong to %s",
			userName(st.Uid), p.ownerNames()),
		Fix: fmt.Sprintf("run: chown %s %s", strconv.Itoa(os.Geteuid()), shellQuote(path)),
	}
}

// checkWritable refuses what others may change. A directory with the sticky bit passes: there others can add entries but
// not replace those of the trusted owners.
func (p Policy) checkWritable(plugin, path string, st *syscall.Stat_t) error {
	if st.Mode&syscall.S_IFMT == syscall.S_IFDIR && st.Mode&syscall.S_ISVTX != 0 {
		return nil
	}
	switch {
	case st.Mode&0o002 != 0:
		return &Error{
			Plugin: plugin, Path: path, Reason: WorldWritable,
			Detail: fmt.Sprintf("everybody may write to it (mode %04o)", st.Mode&0o7777),
			Fix:    "run: chmod go-w " + shellQuote(path),
		}
	case st.Mode&0o020 != 0:
		return &Error{
			Plugin: plugin, Path: path, Reason: GroupWritable,
			Detail: fmt.Sprintf("its group may write to it (mode %04o)", st.Mode&0o7777),
			Fix:    "run: chmod go-w " + shellQuote(path),
		}
	}
	return nil
}

func (p Policy) ownerNames() string {
	uids := slices.Compact(slices.Sorted(slices.Values(p.owners())))
	names := ""
	for i, uid := range uids {
		if i > 0 {
			names += " or "
		}
		names += userName(uid)
	}
	return names
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}
