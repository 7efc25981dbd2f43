package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// A hundred commands that start together during an outage take as long as one command and
// send as many requests, because they all share the first one's result. On a quiet machine
// a hundred take 1.01 to 1.05 times as long as one (docs/service.md). On a busy machine
// they also wait for CPUs, so the test only rules out a queue, in which they would take a
// hundred times as long.
func TestInteropOutage(t *testing.T) {
	interop(t)
	const processes = 100
	wait := func(r *http.Request, d time.Duration) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		code   int
	}{
		{"hangs", func(_ http.ResponseWriter, r *http.Request) { wait(r, time.Hour) }, exitNetwork},
		{"502", func(w http.ResponseWriter, r *http.Request) {
			wait(r, 1500*time.Millisecond)
			http.Error(w, "<html>bad gateway", http.StatusBadGateway)
		}, exitNetwork},
		{"401", func(w http.ResponseWriter, r *http.Request) {
			wait(r, 4*time.Second)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"success":false,"error":"invalid_key"}`)
		}, exitCredentials},
	} {
		t.Run(test.name, func(t *testing.T) {
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				test.answer(w, r)
			}))
			defer server.Close()
			u := newUser(t, gktest.Options{})
			u.url = server.URL

			// together runs commands at the same time and returns the time until all have exited.
			together := func(n, code int, args ...string) time.Duration {
				var running sync.WaitGroup
				begun := time.Now()
				for range n {
					running.Go(func() {
						var stderr bytes.Buffer
						cmd := u.command("gkpow", args...)
						cmd.Stderr = &stderr
						err := cmd.Run()
						var exit *exec.ExitError
						if code == exitOK && err != nil || code != exitOK && (!errors.As(err, &exit) || exit.ExitCode() != code) {
							t.Errorf("%v: %s", err, &stderr)
						}
					})
				}
				running.Wait()
				return time.Since(begun)
			}
			starting := together(processes, exitOK, "version")
			alone := together(1, test.code, "token")
			asked := requests.Swap(0)
			u.home = t.TempDir()
			all := together(processes, test.code, "token")
			t.Logf("one takes %v and %d requests; %d take %v and %d requests, and %v to start and end",
				alone, asked, processes, all, requests.Load(), starting)
			require.Less(t, all, alone*processes/4)
			require.LessOrEqual(t, requests.Load(), int32(3))
		})
	}
}
