package storage

// Range selects bytes of a value. The zero Range is the whole value; use
// [RangeOf], [RangeFrom] and [RangeLast] to make others.
type Range struct {
	Kind RangeKind
	// Offset of the first byte; used with RangeSpan.
	Offset int64
	// Length in bytes: with RangeSpan −1 means to the end; with RangeSuffix it
	// counts from the end.
	Length int64
}

// RangeKind names the kinds of a [Range].
type RangeKind uint8

// The kinds of a range.
const (
	RangeWhole RangeKind = iota
	RangeSpan
	RangeSuffix
)

// RangeOf selects length bytes from offset on; fewer if the value ends before.
func RangeOf(offset, length int64) Range {
	return Range{Kind: RangeSpan, Offset: offset, Length: length}
}

// RangeFrom selects everything from offset on.
func RangeFrom(offset int64) Range { return RangeOf(offset, -1) }

// RangeLast selects the last length bytes; the whole value if it is shorter.
func RangeLast(length int64) Range { return Range{Kind: RangeSuffix, Length: length} }

// IsWhole reports whether r selects the whole value, whatever its size.
func (r Range) IsWhole() bool { return r.Kind == RangeWhole }

// Validate reports a malformed range as InvalidArgument.
func (r Range) Validate() error {
	switch r.Kind {
	case RangeWhole:
		if r.Offset != 0 || r.Length != 0 {
			return Errorf(CodeInvalidArgument, "the whole-value range has an offset or a length")
		}
	case RangeSpan:
		if r.Offset < 0 || r.Length < -1 {
			return Errorf(CodeInvalidArgument, "range offset %d, length %d: the offset must be 0 or more, the length -1 or more", r.Offset, r.Length)
		}
	case RangeSuffix:
		if r.Length < 0 || r.Offset != 0 {
			return Errorf(CodeInvalidArgument, "suffix range of %d bytes at offset %d: the length must be 0 or more, the offset 0", r.Length, r.Offset)
		}
	default:
		return Errorf(CodeInvalidArgument, "range of unknown kind %d", r.Kind)
	}
	return nil
}

// Resolve returns the offset and length that r means for a value of size
// bytes. A length past the end is cut; an offset equal to size gives an empty
// read; an offset beyond it is OutOfRange.
func (r Range) Resolve(size int64) (offset, length int64, err error) {
	if err := r.Validate(); err != nil {
		return 0, 0, err
	}
	switch r.Kind {
	case RangeSpan:
		if r.Offset > size {
			return 0, 0, Errorf(CodeOutOfRange, "offset %d is beyond the end of a value of %d bytes", r.Offset, size)
		}
		length = size - r.Offset
		if r.Length >= 0 {
			length = min(length, r.Length)
		}
		return r.Offset, length, nil
	case RangeSuffix:
		length = min(r.Length, size)
		return size - length, length, nil
	default:
		return 0, size, nil
	}
}
