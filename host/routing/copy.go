package routing

import (
	"context"
	"strings"
	"time"

	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// copyAcross copies src of one store to dst of another through the host.
// Reserved metadata, which belongs to the policies of the source, stays behind.
func copyAcross(ctx context.Context, from, to storage.Backend, src, dst string, opts storage.CopyOptions) (storage.PutResult, error) {
	r, err := from.Get(ctx, src, storage.GetOptions{IfMatch: opts.SourceIfMatch})
	if err != nil {
		return storage.PutResult{}, storage.Annotate(err, "copy", src)
	}
	defer r.Close()
	put := storage.PutOptions{If: opts.If, ContentType: r.Object.ContentType, Metadata: callerMetadata(r.Object.Metadata), SizeHint: r.Length}
	if at := r.Object.ExpiresAt; !at.IsZero() {
		if put.TTL = time.Until(at); put.TTL <= 0 {
			return storage.PutResult{}, storage.Annotate(storage.Errorf(storage.CodeNotFound, "the source expired"), "copy", src)
		}
	}
	res, err := to.Put(ctx, dst, r, put)
	return res, storage.Annotate(err, "copy", dst)
}

func callerMetadata(all map[string]string) map[string]string {
	kept := make(map[string]string, len(all))
	for name, value := range all {
		if !strings.HasPrefix(name, storage.ReservedMetadataPrefix) {
			kept[name] = value
		}
	}
	return kept
}
