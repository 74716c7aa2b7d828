package trust

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// script is the smallest file that is executable and not ELF.
const script = "#!/bin/sh\nexit 0\n"

// folder returns a directory whose parents pass the policy.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, content string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // past the umask
		t.Fatal(err)
	}
	return path
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestOpenJudgesFileAndParents(t *testing.T) {
	stranger := Policy{Owners: []uint32{uint32(os.Geteuid()) + 4711}}
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		policy Policy
		make   func(t *testing.T, dir string) string
		want   Reason // "" passes
		fix    string // part of the cure the operator is told
	}{
		{name: "a plain executable passes", make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", script, 0o755)
		}},
		{name: "missing", want: NotFound, make: func(t *testing.T, dir string) string { return dir + "/p" }},
		{name: "below a file", want: NotFound, make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", script, 0o755) + "/q"
		}},
		{name: "no executable bit", want: NotExecutable, fix: "chmod a+x", make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", script, 0o644)
		}},
		{name: "world-writable file", want: WorldWritable, fix: "chmod go-w", make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", script, 0o757)
		}},
		{name: "group-writable file", want: GroupWritable, fix: "chmod go-w", make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", script, 0o775)
		}},
		{name: "sticky bit does not excuse a file", want: WorldWritable, make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", script, 0o757|os.ModeSticky)
		}},
		{name: "world-writable folder", want: WorldWritable, make: func(t *testing.T, dir string) string {
			path := write(t, dir+"/sub/p", script, 0o755)
			chmod(t, dir+"/sub", 0o777)
			return path
		}},
		{name: "group-writable folder two levels up", want: GroupWritable, make: func(t *testing.T, dir string) string {
			path := write(t, dir+"/a/b/p", script, 0o755)
			chmod(t, dir+"/a", 0o775)
			return path
		}},
		{name: "world-writable but sticky folder passes", make: func(t *testing.T, dir string) string {
			path := write(t, dir+"/sub/p", script, 0o755)
			chmod(t, dir+"/sub", 0o777|os.ModeSticky)
			return path
		}},
		{name: "owned by a stranger", policy: stranger, want: NotOwned, fix: "chown", make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", script, 0o755)
		}},
		{name: "directory", want: NotRegular, make: func(t *testing.T, dir string) string {
			if err := os.Mkdir(dir+"/p", 0o755); err != nil {
				t.Fatal(err)
			}
			return dir + "/p"
		}},
		{name: "pipe without a writer does not block", want: NotRegular, make: func(t *testing.T, dir string) string {
			if err := syscall.Mkfifo(dir+"/p", 0o755); err != nil {
				t.Fatal(err)
			}
			return dir + "/p"
		}},
		{name: "socket", want: NotRegular, make: func(t *testing.T, dir string) string {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = syscall.Close(fd) })
			if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: dir + "/p"}); err != nil {
				t.Fatal(err)
			}
			return dir + "/p"
		}},
		{name: "link into a good folder passes", make: func(t *testing.T, dir string) string {
			write(t, dir+"/real/p", script, 0o755)
			if err := os.Symlink("real/p", dir+"/p"); err != nil {
				t.Fatal(err)
			}
			return dir + "/p"
		}},
		{name: "link through a world-writable folder", want: WorldWritable, make: func(t *testing.T, dir string) string {
			write(t, dir+"/real/p", script, 0o755)
			if err := os.MkdirAll(dir+"/open", 0o755); err != nil {
				t.Fatal(err)
			}
			// p -> open/hop -> ../real/p: the middle link can be bent by anybody.
			for link, target := range map[string]string{"/p": dir + "/open/hop", "/open/hop": "../real/p"} {
				if err := os.Symlink(target, dir+link); err != nil {
					t.Fatal(err)
				}
			}
			chmod(t, dir+"/open", 0o777)
			return dir + "/p"
		}},
		{name: "link to itself", want: NotFound, make: func(t *testing.T, dir string) string {
			if err := os.Symlink("p", dir+"/p"); err != nil {
				t.Fatal(err)
			}
			return dir + "/p"
		}},
		{name: "too large", policy: Policy{MaxSize: 4}, want: TooLarge, make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", script, 0o755)
		}},
		{name: "empty", want: Truncated, make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", "", 0o755)
		}},
		{name: "whole ELF passes", make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", string(self), 0o755)
		}},
		{name: "ELF cut in half", want: Truncated, make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", string(self[:len(self)/2]), 0o755)
		}},
		{name: "ELF without its last byte", want: Truncated, make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", string(self[:len(self)-1]), 0o755)
		}},
		{name: "ELF of ten bytes", want: Truncated, make: func(t *testing.T, dir string) string {
			return write(t, dir+"/p", string(self[:10]), 0o755)
		}},
		{name: "ELF for another machine", want: WrongPlatform, make: func(t *testing.T, dir string) string {
			other := append([]byte(nil), self...)
			other[18], other[19] = 0x2b, 0 // EM_SPARCV9, little-endian as written
			return write(t, dir+"/p", string(other), 0o755)
		}},
		{name: "still open for writing", want: Busy, make: func(t *testing.T, dir string) string {
			path := write(t, dir+"/p", script, 0o755)
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = f.Close() })
			return path
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := tt.make(t, folder(t))
			b, err := tt.policy.Open(path)
			if b != nil {
				defer b.Close()
			}
			if tt.want == "" {
				if err != nil {
					t.Fatalf("Open: %v, want success", err)
				}
				return
			}
			var got *Error
			if !errors.As(err, &got) || got.Reason != tt.want {
				t.Fatalf("Open: %v, want reason %s", err, tt.want)
			}
			if !errors.Is(err, &Error{Reason: tt.want}) {
				t.Errorf("errors.Is does not find reason %s", tt.want)
			}
			if got.Plugin != path || !strings.Contains(err.Error(), got.Path) {
				t.Errorf("%+v does not name the plugin and the file at fault", got)
			}
			if !strings.Contains(got.Fix, tt.fix) {
				t.Errorf("fix %q does not say %q", got.Fix, tt.fix)
			}
		})
	}
}

func TestFixCanBePasted(t *testing.T) {
	dir := folder(t)
	path := write(t, dir+"/my plugins/it's", script, 0o777)
	_, err := Policy{}.Open(path)
	if want := `chmod go-w '` + dir + `/my plugins/it'\''s'`; !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not contain %q", err, want)
	}
}

func TestDigest(t *testing.T) {
	t.Run("is the SHA-256 of the content", func(t *testing.T) {
		b, err := Policy{}.Open(write(t, folder(t)+"/p", script, 0o755))
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		got, err := b.Digest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if want := "306c6ca7407560340797866e077e053627ad409277d1b9da58106fce4cf717cb"; got.String() != want {
			t.Errorf("digest %s, want %s", got, want)
		}
		if back, err := ParseDigest(got.String()); err != nil || back != got {
			t.Errorf("ParseDigest(%s) = %s, %v", got, back, err)
		}
	})
	t.Run("notices a file that grows", func(t *testing.T) {
		path := write(t, folder(t)+"/p", script, 0o755)
		b, err := Policy{}.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		write(t, path, script+"# more", 0o755)
		if d, err := b.Digest(t.Context()); !errors.Is(err, &Error{Reason: Changed}) {
			t.Errorf("Digest = %s, %v; want reason %s", d, err, Changed)
		}
	})
}

func TestStampSettles(t *testing.T) {
	now := time.Now()
	for age, want := range map[time.Duration]bool{0: false, time.Second: false, 2 * time.Second: true, time.Hour: true} {
		if got := (Stamp{Changed: now.Add(-age)}).Settled(now); got != want {
			t.Errorf("changed %v ago: settled %v, want %v", age, got, want)
		}
	}
}
