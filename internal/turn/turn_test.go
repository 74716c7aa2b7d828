package turn

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestKeysLetOneInAndForget(t *testing.T) {
	var order Keys
	var inside [4]atomic.Int32
	var wg sync.WaitGroup
	for caller := range 64 {
		wg.Go(func() {
			for round := range 100 {
				a, b := (caller+round)%4, (caller*round)%4
				keys := []string{fmt.Sprint(a), fmt.Sprint(b), fmt.Sprint(a)}
				unlock, err := order.Lock(t.Context(), keys...)
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside[a].Add(1); n != 1 {
					t.Errorf("%d have the turn of one key", n)
				}
				inside[a].Add(-1)
				unlock()
			}
		})
	}
	wg.Wait()
	if len(order.keys) != 0 {
		t.Errorf("%d keys are remembered", len(order.keys))
	}
}
