package trust

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Digest is the SHA-256 of a binary. Digests order bytewise, which is how ties between equal versions are broken.
type Digest [sha256.Size]byte

// String returns 64 lower-case hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseDigest reads what String wrote.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != len(d) || hex.EncodeToString(raw) != s {
		return Digest{}, fmt.Errorf("%q is not a SHA-256 in 64 lower-case hexadecimal digits", s)
	}
	copy(d[:], raw)
	return d, nil
}

// IsZero reports whether the digest was never computed.
func (d Digest) IsZero() bool { return d == Digest{} }

// Stamp identifies the content of a file as well as its metadata can: equal stamps mean an unchanged file, as long as
// the last change lies further back than the clock of the file system is coarse (see Stamp.Settled).
type Stamp struct {
	Device, Inode uint64
	Size          int64
	Modified      time.Time // of the content (mtime)
	Changed       time.Time // of content or metadata (ctime), which no program can set back
}

// Settled reports whether the file was last changed at least two seconds before now, so that a later change is certain
// to show in the stamp.
func (s Stamp) Settled(now time.Time) bool { return now.Sub(s.Changed) >= 2*time.Second }

// Binary is an open file that passed the policy. Its methods are not safe for concurrent use. The caller closes it.
type Binary struct {
	path     string
	resolved string
	file     *os.File
	stamp    Stamp
	digest   Digest
}

// Open resolves path, opens the file once and judges what it opened. Every error is an *Error with a Reason.
func (p Policy) Open(path string) (*Binary, error) {
	resolved, err := p.resolve(path)
	if err != nil {
		return nil, err
	}
	// O_NONBLOCK: a pipe in the plugin folder must not block the host. It means nothing for a regular file.
	fd, err := syscall.Open(resolved, syscall.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, syscall.ENXIO) { // a socket, or a device without a driver
			return nil, &Error{Plugin: path, Path: resolved, Reason: NotRegular, Detail: "is not a regular file"}
		}
		return nil, pathError(path, resolved, "open", err)
	}
	b := &Binary{path: path, resolved: resolved, file: os.NewFile(uintptr(fd), resolved)}
	err = p.judge(b)
	if err == nil {
		err = checkComplete(b)
	}
	if err != nil {
		_ = b.Close()
		return nil, err
	}
	return b, nil
}

// judge looks at what can be told from the inode.
func (p Policy) judge(b *Binary) error {
	var st syscall.Stat_t
	if err := syscall.Fstat(int(b.file.Fd()), &st); err != nil {
		return pathError(b.path, b.resolved, "fstat", err)
	}
	b.stamp = stampOf(&st)
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return &Error{Plugin: b.path, Path: b.resolved, Reason: NotRegular, Detail: "is not a regular file"}
	}
	if err := p.checkOwner(b.path, b.resolved, &st); err != nil {
		return err
	}
	if err := p.checkWritable(b.path, b.resolved, &st); err != nil {
		return err
	}
	if !executable(&st) {
		return &Error{
			Plugin: b.path, Path: b.resolved, Reason: NotExecutable,
			Detail: fmt.Sprintf("is not executable (mode %04o)", st.Mode&0o7777),
			Fix:    "run: chmod a+x " + shellQuote(b.resolved),
		}
	}
	if st.Size > p.maxSize() {
		return &Error{
			Plugin: b.path, Path: b.resolved, Reason: TooLarge,
			Detail: fmt.Sprintf("has %d bytes, more than the %d that are allowed", st.Size, p.maxSize()),
		}
	}
	return nil
}

// checkComplete finds a file that is still being copied into place, or never was to its end.
func checkComplete(b *Binary) error {
	if openForWriting(b.file) {
		return &Error{
			Plugin: b.path, Path: b.resolved, Reason: Busy,
			Detail: "is still open for writing",
			Fix:    "wait until the copy is complete; better: copy under another name, then rename",
		}
	}
	return checkELF(b)
}

// executable reports whether this process could execute a file of that mode: root may when any bit is set, others by
// the class they fall into.
func executable(st *syscall.Stat_t) bool {
	uid := uint32(os.Geteuid())
	switch {
	case uid == 0:
		return st.Mode&0o111 != 0
	case uid == st.Uid:
		return st.Mode&0o100 != 0
	case inGroup(st.Gid):
		return st.Mode&0o010 != 0
	}
	return st.Mode&0o001 != 0
}

func inGroup(gid uint32) bool {
	if uint32(os.Getegid()) == gid {
		return true
	}
	groups, err := os.Getgroups()
	if err != nil {
		return false
	}
	for _, g := range groups {
		if uint32(g) == gid {
			return true
		}
	}
	return false
}

// openForWriting asks the kernel for a read lease, which it grants only while nobody has the file open for writing, and
// gives it back. A file system without leases, or a file of somebody else, counts as not open.
func openForWriting(f *os.File) bool {
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	if err == nil {
		_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return errors.Is(err, unix.EAGAIN)
}

func stampOf(st *syscall.Stat_t) Stamp {
	return Stamp{
		Device: st.Dev, Inode: st.Ino, Size: st.Size,
		Modified: time.Unix(st.Mtim.Unix()), Changed: time.Unix(st.Ctim.Unix()),
	}
}

// Path is the path the binary was opened by.
func (b *Binary) Path() string { return b.path }

// Resolved is the absolute path without symbolic links.
func (b *Binary) Resolved() string { return b.resolved }

// Stamp is the file's identity at the time it was opened.
func (b *Binary) Stamp() Stamp { return b.stamp }

// Digest hashes the open file, once; later calls return the same value. It fails with Changed when the file is modified
// meanwhile, and with ctx's error when ctx ends.
func (b *Binary) Digest(ctx context.Context) (Digest, error) {
	if b.digest.IsZero() {
		d, err := b.copyTo(ctx, io.Discard)
		if err != nil {
			return Digest{}, err
		}
		b.digest = d
	}
	return b.digest, nil
}

// copyTo writes the whole file to w and returns the digest of what was written.
func (b *Binary) copyTo(ctx context.Context, w io.Writer) (Digest, error) {
	h := sha256.New()
	src := interruptible{done: ctx.Err, r: io.NewSectionReader(b.file, 0, b.stamp.Size+1)}
	n, err := io.Copy(io.MultiWriter(h, w), src)
	if err != nil {
		if ctx.Err() != nil {
			return Digest{}, ctx.Err()
		}
		return Digest{}, &Error{Plugin: b.path, Path: b.resolved, Reason: Unreadable, Detail: "cannot be copied", Err: err}
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(b.file.Fd()), &st); err != nil {
		return Digest{}, pathError(b.path, b.resolved, "fstat", err)
	}
	if now := stampOf(&st); n != b.stamp.Size || now.Size != b.stamp.Size || !now.Modified.Equal(b.stamp.Modified) {
		return Digest{}, &Error{
			Plugin: b.path, Path: b.resolved, Reason: Changed, Detail: "was modified while it was read",
			Fix: "wait until it is complete",
		}
	}
	return Digest(h.Sum(nil)), nil
}

// Close closes the file.
func (b *Binary) Close() error { return b.file.Close() }

// interruptible stops reading when done returns an error.
type interruptible struct {
	done func() error
	r    io.Reader
}

func (i interruptible) Read(p []byte) (int, error) {
	if err := i.done(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}
