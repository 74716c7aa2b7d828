package supervisor

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// maxLine bounds a line of a plugin's output, in bytes. The rest of a longer line is counted and thrown away.
const maxLine = 64 << 10

// readLines calls emit for each line of r, without its end, until r fails or ends. dropped is how many bytes of the line
// did not fit. emit must not keep the slice.
func readLines(r io.Reader, emit func(line []byte, dropped int)) {
	buf := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := buf.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			if len(line) > 0 {
				emit(trimEOL(line), 0)
			}
			if err != nil {
				return
			}
			continue
		}
		head := bytes.Clone(line)
		dropped := 0
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = buf.ReadSlice('\n')
			dropped += len(trimEOL(line))
		}
		emit(head, dropped)
		if err != nil {
			return
		}
	}
}

func trimEOL(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}
