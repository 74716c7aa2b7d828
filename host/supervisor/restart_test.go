package supervisor

import (
	"testing"
	"time"
)

func TestRestartPolicy(t *testing.T) {
	opts := Options{CrashLimit: 100}.withDefaults()
	noJitter := func() float64 { return 1 }
	begin := time.Unix(0, 0)

	t.Run("doubles up to the maximum", func(t *testing.T) {
		p := restartPolicy{opts: opts, jitter: noJitter}
		want := []float64{0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30}
		for i, seconds := range want {
			if got, quarantined := p.failed(begin.Add(time.Duration(i)*time.Second), 0); got.Seconds() != seconds || quarantined {
				t.Errorf("failure %d: wait %v, quarantine %v; want %v s", i, got, quarantined, seconds)
			}
		}
		for i := range 80 { // the shift must not overflow
			if got, _ := p.failed(begin.Add(time.Hour+time.Duration(i)*time.Minute), 0); got != opts.BackoffMax {
				t.Fatalf("wait %v, want %v", got, opts.BackoffMax)
			}
		}
	})
	t.Run("jitter keeps within half and whole", func(t *testing.T) {
		for _, random := range []float64{0, 0.5, 0.999} {
			p := restartPolicy{opts: opts, jitter: func() float64 { return random }}
			p.attempt = 5
			got, _ := p.failed(begin, 0)
			if got < 1600*time.Millisecond || got > 3200*time.Millisecond {
				t.Errorf("jitter %v: wait %v", random, got)
			}
		}
	})
	t.Run("a healthy while is a fresh start", func(t *testing.T) {
		p := restartPolicy{opts: opts, jitter: noJitter}
		for range 5 {
			p.failed(begin, 0)
		}
		if got, _ := p.failed(begin, opts.HealthyAfter-1); got <= opts.BackoffMin {
			t.Errorf("too short a while: wait %v", got)
		}
		if got, _ := p.failed(begin, opts.HealthyAfter); got != opts.BackoffMin {
			t.Errorf("wait %v, want %v", got, opts.BackoffMin)
		}
	})
	t.Run("a crash loop is quarantined, then tried once", func(t *testing.T) {
		p := restartPolicy{opts: Options{}.withDefaults(), jitter: noJitter}
		now := begin
		for i := range 4 {
			if _, quarantined := p.failed(now, 0); quarantined {
				t.Fatalf("quarantined after %d failures", i+1)
			}
			now = now.Add(time.Second)
		}
		for range 3 { // the fifth failure, and each single attempt after it
			wait, quarantined := p.failed(now, time.Second)
			if !quarantined || wait != p.opts.Cooldown {
				t.Fatalf("wait %v, quarantine %v", wait, quarantined)
			}
			now = now.Add(wait)
		}
		if wait, quarantined := p.failed(now, p.opts.HealthyAfter); quarantined || wait != p.opts.BackoffMin {
			t.Errorf("after a healthy while: wait %v, quarantine %v", wait, quarantined)
		}
	})
	t.Run("crashes far apart are no loop", func(t *testing.T) {
		p := restartPolicy{opts: Options{}.withDefaults(), jitter: noJitter}
		for i := range 20 {
			if _, quarantined := p.failed(begin.Add(time.Duration(i)*20*time.Second), 10*time.Second); quarantined {
				t.Fatalf("quarantined after %d failures", i+1)
			}
		}
	})
}
