package trust

import (
	"bytes"
	"debug/elf"
	"fmt"
	"runtime"
)

// checkELF finds a half-copied binary and one for another machine before it is launched, where all that would be left is
// "exec format error" or a segmentation fault. Files that are not ELF (scripts) pass unless they are empty.
func checkELF(b *Binary) error {
	truncated := func(detail string) error {
		return &Error{
			Plugin: b.path, Path: b.resolved, Reason: Truncated, Detail: detail,
			Fix: "copy it again",
		}
	}
	if b.stamp.Size == 0 {
		return truncated("is empty")
	}
	var head [64]byte
	n, _ := b.file.ReadAt(head[:], 0)
	if !bytes.HasPrefix(head[:n], []byte(elf.ELFMAG)) {
		return nil
	}
	f, err := elf.NewFile(b.file)
	if err != nil {
		return truncated(fmt.Sprintf("is cut short or damaged (%d bytes): %v", b.stamp.Size, err))
	}
	if want, known := machine(runtime.GOARCH); known && f.Machine != want {
		return &Error{
			Plugin: b.path, Path: b.resolved, Reason: WrongPlatform,
			Detail: fmt.Sprintf("is built for %v, but this machine is %s", f.Machine, runtime.GOARCH),
			Fix:    "install the build for linux/" + runtime.GOARCH,
		}
	}
	need := uint64(0)
	for _, prog := range f.Progs {
		need = max(need, prog.Off+prog.Filesz)
	}
	for _, section := range f.Sections {
		if section.Type != elf.SHT_NOBITS {
			need = max(need, section.Offset+section.FileSize)
		}
	}
	if need > uint64(b.stamp.Size) {
		return truncated(fmt.Sprintf("is cut short: its headers speak of %d bytes, it has %d", need, b.stamp.Size))
	}
	return nil
}

func machine(goarch string) (elf.Machine, bool) {
	switch goarch {
	case "amd64":
		return elf.EM_X86_64, true
	case "arm64":
		return elf.EM_AARCH64, true
	case "386":
		return elf.EM_386, true
	case "arm":
		return elf.EM_ARM, true
	case "riscv64":
		return elf.EM_RISCV, true
	}
	return 0, false
}
