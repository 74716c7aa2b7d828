package discovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/p2p-ai-agents/stowage/host/trust"
)

// DefaultMaxEntries bounds the entries that are read from one folder unless Options.MaxEntries says otherwise.
const DefaultMaxEntries = 4096

// Options say where plugins are looked for.
type Options struct {
	// Dirs are the plugin folders in order of precedence: of two equal binaries, the one in the earlier folder is used.
	// A relative path is taken from the working directory.
	Dirs []string

	// Trust judges what is found.
	Trust trust.Policy

	// MaxEntries bounds the entries read from one folder. 0 means DefaultMaxEntries. A folder with more is reported in
	// FolderReport.Err.
	MaxEntries int
}

// Candidate is a file named like a plugin.
type Candidate struct {
	Name        string       // from the file name, without the version suffix
	FileVersion string       // the version suffix of the file name; usually empty
	Path        string       // absolute
	Dir         string       // the folder it was found in, absolute
	DirIndex    int          // precedence of the folder: its index in Options.Dirs
	Digest      trust.Digest // of the file's bytes; zero when Err is set
	Err         error        // why it must not be launched, usually a *trust.Error; nil when it may
}

// Skipped is an entry of a folder that is not taken for a plugin.
type Skipped struct {
	Path   string
	Reason string
}

// FolderReport says how reading one folder went.
type FolderReport struct {
	Dir        string // as configured, made absolute
	Err        error  // why it could not be read, or not fully; nil when all is well
	Candidates int    // how many were found in it
}

// Result is everything a scan has met. Each slice is in folder order, then by file name.
type Result struct {
	Candidates []Candidate
	Skipped    []Skipped
	Folders    []FolderReport
}

// Scanner scans plugin folders. It remembers the digests of files that have not changed, so scanning again costs one
// lstat per directory and file. It is safe for concurrent use.
type Scanner struct {
	opts Options

	mu    sync.Mutex
	known map[trust.Stamp]trust.Digest // of the files of the last scan
}

// New returns a Scanner; it reads nothing yet.
func New(opts Options) *Scanner {
	if opts.MaxEntries <= 0 {
		opts.MaxEntries = DefaultMaxEntries
	}
	opts.Dirs = slices.Clone(opts.Dirs)
	return &Scanner{opts: opts}
}

// Scan reads all folders. Whatever is wrong with a folder or a file is part of the Result; the error is ctx's alone.
func (s *Scanner) Scan(ctx context.Context) (Result, error) {
	s.mu.Lock()
	known := s.known
	s.mu.Unlock()

	var result Result
	digests := digestCache{known: known, seen: make(map[trust.Stamp]trust.Digest)}
	visited := make(map[folderID]string)
	for i, dir := range s.opts.Dirs {
		report := s.scanDir(ctx, i, dir, visited, &digests, &result)
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		result.Folders = append(result.Folders, report)
	}

	s.mu.Lock()
	s.known = digests.seen
	s.mu.Unlock()
	return result, nil
}

type folderID struct{ device, inode uint64 }

func (s *Scanner) scanDir(ctx context.Context, index int, dir string, visited map[folderID]string,
	digests *digestCache, result *Result,
) FolderReport {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return FolderReport{Dir: dir, Err: err}
	}
	names, id, err := readFolder(abs, s.opts.MaxEntries)
	report := FolderReport{Dir: abs, Err: err}
	if id == (folderID{}) {
		return report
	}
	if first, again := visited[id]; again {
		report.Err = fmt.Errorf("%s is the same folder as %s, which was scanned already", abs, first)
		return report
	}
	visited[id] = abs
	for _, file := range names {
		path := filepath.Join(abs, file)
		name, version, why := parseFileName(file)
		if why != "" {
			result.Skipped = append(result.Skipped, Skipped{Path: path, Reason: why})
			continue
		}
		c := Candidate{Name: name, FileVersion: version, Path: path, Dir: abs, DirIndex: index}
		c.Digest, c.Err = digests.of(ctx, s.opts.Trust, path)
		if ctx.Err() != nil {
			return report
		}
		result.Candidates = append(result.Candidates, c)
		report.Candidates++
	}
	return report
}

// readFolder lists a folder, sorted. It may return both names and an error: what was read up to the bound.
func readFolder(dir string, limit int) ([]string, folderID, error) {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, folderID{}, fmt.Errorf("plugin folder %s does not exist; create it or change plugin_dirs: %w", dir, fs.ErrNotExist)
	}
	if err != nil {
		return nil, folderID{}, fmt.Errorf("plugin folder: %w", err)
	}
	defer d.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(d.Fd()), &st); err != nil {
		return nil, folderID{}, fmt.Errorf("plugin folder %s: %w", dir, err)
	}
	id := folderID{device: st.Dev, inode: st.Ino}
	names, err := d.Readdirnames(limit + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, id, fmt.Errorf("plugin folder: %w", err)
	}
	slices.Sort(names)
	if len(names) > limit {
		return names[:limit], id, fmt.Errorf("plugin folder %s holds more than %d entries; the rest was not read", dir, limit)
	}
	return names, id, nil
}

// digestCache hashes what is new and remembers what is settled.
type digestCache struct {
	known, seen map[trust.Stamp]trust.Digest
}

func (c *digestCache) of(ctx context.Context, policy trust.Policy, path string) (trust.Digest, error) {
	b, err := policy.Open(path)
	if err != nil {
		return trust.Digest{}, err
	}
	defer b.Close()
	stamp := b.Stamp()
	if d, ok := c.known[stamp]; ok {
		c.seen[stamp] = d
		return d, nil
	}
	now := time.Now()
	d, err := b.Digest(ctx)
	if err == nil && stamp.Settled(now) {
		c.seen[stamp] = d
	}
	return d, err
}
