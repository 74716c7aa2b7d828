package routing

import (
	"context"
	"time"

	"github.com/p2p-ai-agents/stowage/host/event"
	"github.com/p2p-ai-agents/stowage/sdk/storage"
)

// Pauses before the source is watched again.
const (
	firstWatchPause = 100 * time.Millisecond
	lastWatchPause  = 30 * time.Second
)

// watchSource takes what others change at the source out of use, as long as the
// source can be watched. While it cannot, entries end with their TTL.
func (p *preferCache) watchSource(ctx context.Context) {
	pause, cursor := firstWatchPause, ""
	for {
		if p.source.Store.Capabilities().Watch {
			if p.follow(ctx, &cursor) {
				pause = firstWatchPause
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = min(2*pause, lastWatchPause)
	}
}

// follow watches from the cursor on until the stream breaks, and reports whether
// anything came. What happened before the first event a cursor leads to, or
// without one, is not known.
func (p *preferCache) follow(ctx context.Context, cursor *string) bool {
	stream, err := p.source.Store.Watch(ctx, storage.WatchOptions{Cursor: *cursor})
	if err != nil {
		if storage.CodeOf(err) == storage.CodeInvalidArgument {
			*cursor = ""
		}
		return false
	}
	defer stream.Close()
	if *cursor == "" {
		p.written.missed()
	}
	*cursor = stream.Cursor()
	came := false
	for {
		e, err := stream.Next(ctx)
		if err != nil {
			return came
		}
		p.changed(ctx, e)
		*cursor, came = stream.Cursor(), true
	}
}

// changed takes the entry of a key out of use if e says that the source has
// something else by now.
func (p *preferCache) changed(ctx context.Context, e storage.Event) {
	if e.Kind == storage.EventGap {
		p.written.missed()
		p.tell(event.Invalidated, p.source, "", nil)
		return
	}
	if !p.written.heard(e.Key, e.ETag) {
		return
	}
	_, noted := p.notes.get(e.Key)
	// Whoever asks the source is looked for before the cache: what he was told may
	// be in the cache when he is gone, but not the other way round.
	involved := noted || p.asking.Load() > 0 || p.flights.under(e.Key) || p.written.written(e.Key)
	has, known := p.cachedETag(ctx, e.Key)
	if known && (has != "" && has == e.ETag || has == "" && !involved) {
		return // there is nothing to take back
	}
	p.written.changed(e.Key)
	if has != "" || !known {
		p.tell(event.Invalidated, p.source, e.Key, nil)
		p.drop(ctx, []string{e.Key})
	}
}

// cachedETag returns the source's etag of what the cache has of key, "" if it has
// nothing, or that it cannot say.
func (p *preferCache) cachedETag(ctx context.Context, key string) (etag string, known bool) {
	if p.cacheIsDown() {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	o, err := p.cache.Store.Stat(ctx, key, storage.StatOptions{})
	if err != nil {
		return "", storage.CodeOf(err) == storage.CodeNotFound
	}
	s, _ := parseCacheStamp(o.Metadata[metaCached])
	return s.etag, true
}
