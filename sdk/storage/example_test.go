package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// A backend of seven methods becomes a Store with every operation.
func ExampleComplete() {
	store := storage.Complete(&seven{})
	ctx := context.Background()

	results, err := store.Batch(ctx, []storage.BatchOp{
		{Kind: storage.BatchPut, Key: "greeting", Value: []byte("hello")},
		{Kind: storage.BatchGet, Key: "missing"},
	}, storage.BatchOptions{})
	fmt.Println(len(results), err)
	fmt.Println(errors.Is(results[1].Err, storage.ErrNotFound))

	_, err = store.Put(ctx, "greeting", strings.NewReader("hello"), storage.PutOptions{If: storage.IfAbsent()})
	fmt.Println(err)
	// Output:
	// 2 <nil>
	// true
	// put "greeting": not supported: the backend does not support conditional writes
}

func ExampleRange_Resolve() {
	for _, r := range []storage.Range{storage.RangeOf(2, 3), storage.RangeFrom(8), storage.RangeLast(4), storage.RangeFrom(11)} {
		offset, length, err := r.Resolve(10)
		fmt.Println(offset, length, err)
	}
	// Output:
	// 2 3 <nil>
	// 8 2 <nil>
	// 6 4 <nil>
	// 0 0 out of range: offset 11 is beyond the end of a value of 10 bytes
}

func ExampleError() {
	var err error = &storage.Error{
		Op: "put", Key: "models/7", Backend: "disk", Plugin: "local",
		Code: storage.CodeFailedPrecondition, Current: "v3", Err: errors.New("the object has another etag"),
	}
	fmt.Println(err)
	var e *storage.Error
	if errors.Is(err, storage.ErrFailedPrecondition) && errors.As(err, &e) {
		fmt.Println("it is now", e.Current)
	}
	// Output:
	// put "models/7" on backend "disk" (plugin local): condition failed: the object has another etag
	// it is now v3
}

// A backend that keeps its keys in order rolls them up as it goes.
func ExampleCommonPrefix() {
	for _, key := range []string{"docs/a", "docs/old/b", "docs/old/c"} {
		prefix, ok := storage.CommonPrefix(key, "docs/", "/")
		fmt.Printf("%s: %q %v\n", key, prefix, ok)
	}
	// Output:
	// docs/a: "" false
	// docs/old/b: "docs/old/" true
	// docs/old/c: "docs/old/" true
}

// A session moves to another process as its token.
func ExampleSession() {
	var here, there storage.Session
	here.Observe("profile", 42)
	if err := there.Merge(here.Token()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(there.Least("profile"))
	// Output: 42
}
