package routing

// Concern is how many copies must be written before a write is acknowledged.
// Whatever it is, the others are written too.
type Concern string

// The concerns. The empty one means WriteQuorum.
const (
	WriteOne    Concern = "one"
	WriteQuorum Concern = "quorum" // more than half
	WriteAll    Concern = "all"
)

// needs returns how many of n copies c asks for.
func (c Concern) needs(n int) int {
	switch c {
	case WriteOne:
		return 1
	case WriteAll:
		return n
	default:
		return n/2 + 1
	}
}

// Reading is how a read of default consistency is answered.
type Reading string

// The ways to read. The empty one means ReadFirst.
const (
	// ReadFirst: by the first copy in order that has all acknowledged writes of
	// this host.
	ReadFirst Reading = "first"
	// ReadQuorum: by the newest version among as many copies as overlap with
	// those of every acknowledged write.
	ReadQuorum Reading = "quorum"
	// ReadVerify: as ReadQuorum, and the SHA-256 of the value is compared.
	ReadVerify Reading = "verify"
)
