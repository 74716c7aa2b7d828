package storetest

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Every value that is written has a number, which its bytes, its content type and
// its metadata tell: a mixture of two is found out, and no two values are alike.

// absent is the number of no value.
const absent = 0

// text is the value with the number id, size bytes long or as short as it can be.
func text(id, size int) string {
	head := fmt.Sprintf("value %d of %d:", id, size)
	return head + strings.Repeat(fmt.Sprintf(" %d", id), max(0, size-len(head))/(1+len(strconv.Itoa(id))))
}

// putOptions are those that go with a value.
func putOptions(id, size int) storage.PutOptions {
	return storage.PutOptions{
		ContentType: fmt.Sprintf("test/%d", id),
		Metadata:    map[string]string{"id": strconv.Itoa(id), "size": strconv.Itoa(size)},
	}
}

// identify returns the number of the value an object is.
func identify(o storage.Object) (id int, err error) {
	id, err = strconv.Atoi(o.Metadata["id"])
	if err != nil {
		return 0, fmt.Errorf("%q has metadata %v, which nobody wrote", o.Key, o.Metadata)
	}
	size, err := strconv.Atoi(o.Metadata["size"])
	if err != nil {
		return 0, fmt.Errorf("%q has metadata %v, which nobody wrote", o.Key, o.Metadata)
	}
	value := text(id, size)
	want := putOptions(id, size)
	metadata := maps.Clone(o.Metadata)
	maps.DeleteFunc(metadata, func(name, _ string) bool { return strings.HasPrefix(name, storage.ReservedMetadataPrefix) })
	switch {
	case o.ContentType != want.ContentType || !maps.Equal(metadata, want.Metadata):
		err = fmt.Errorf("%q mixes content type %q with metadata %v", o.Key, o.ContentType, o.Metadata)
	case o.Size != int64(len(value)) || o.CRC32C != storage.Checksum(0, []byte(value)):
		err = fmt.Errorf("%q mixes size and checksum of one value with the metadata of value %d", o.Key, id)
	case o.ETag == "":
		err = fmt.Errorf("%q has no etag", o.Key)
	}
	return id, err
}

// identifyValue is identify for an object whose value was read.
func identifyValue(o storage.Object, value []byte) (int, error) {
	id, err := identify(o)
	if err == nil {
		if size, _ := strconv.Atoi(o.Metadata["size"]); string(value) != text(id, size) {
			err = fmt.Errorf("%q has the metadata of value %d and other bytes", o.Key, id)
		}
	}
	return id, err
}
