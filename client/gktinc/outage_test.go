package gktinc

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
)

// stalls simulates an outage of a minute. Every tenth of a second a visitor requests a
// page, which asks for a level, and sends its form, which asks for a verdict. stalls
// returns how long each visitor waited.
func stalls(t *testing.T, l client.Limits) (waited []time.Duration, asked int) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		config := Config{APIKey: client.NewSecret("k"), HashID: "h", Policy: OpenOnOutage, Limits: l}
		inMemory(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			asked++
			mu.Unlock()
			<-r.Context().Done()
		}))(&config)
		c, err := New(config)
		require.NoError(t, err)
		var running sync.WaitGroup
		for range 600 {
			running.Go(func() {
				start := time.Now()
				_, _, err := c.CheckLevel(context.Background(), visitor)
				verdict, err2 := c.Validate(context.Background(), submitted())
				if err != nil || err2 != nil || !verdict.Allowed {
					t.Error(err, err2, verdict)
				}
				mu.Lock()
				defer mu.Unlock()
				waited = append(waited, time.Since(start))
			})
			time.Sleep(100 * time.Millisecond)
		}
		running.Wait()
	})
	slices.Sort(waited)
	return waited, asked
}

func TestOutageStalls(t *testing.T) {
	show := func(name string, waited []time.Duration, asked int) (stalled int) {
		var sum time.Duration
		for _, d := range waited {
			sum += d
			if d > time.Second {
				stalled++
			}
		}
		t.Logf("%s: %d of %d visitors waited longer than 1 s; median %v, longest %v, in all %v; %d requests", name, stalled, len(waited),
			waited[len(waited)/2], waited[len(waited)-1], sum, asked)
		return stalled
	}
	without, askedWithout := stalls(t, client.Limits{FailureThreshold: -1, MaxInFlight: 10_000, Total: time.Hour})
	require.Equal(t, 600, show("without", without, askedWithout))
	with, askedWith := stalls(t, client.Limits{})
	require.Less(t, show("with the breaker", with, askedWith), 120)
	require.Less(t, askedWith, askedWithout/10)
	require.Zero(t, with[len(with)/2], "most visitors do not wait at all")
}
