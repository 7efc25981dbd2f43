//go:build unix

package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/cmd/gkpow/internal/metrics"
)

// A page's form is accepted exactly once, even if many connections send it to several
// agents at the same time or the agents restart in between.
func TestAgentsShareUsedPages(t *testing.T) {
	service := gktest.New(gktest.Options{})
	server := httptest.NewServer(service)
	defer server.Close()
	dir := socketDir(t)
	start := func(name string) *http.Client {
		socket := filepath.Join(dir, name+".sock")
		cmd := exec.Command("gkpow", "agent", "--socket", socket)
		cmd.Env = append(os.Environ(), quickExit, "GKTINC_API_URL="+server.URL, "GKTINC_API_KEY="+gktest.GKTincAPIKey, "GKTINC_HASHID="+gktest.GKTincHashID,
			"XDG_CACHE_HOME="+dir, "HOME="+dir)
		startProcess(t, cmd)
		c := socketClient(socket)
		c.Transport.(*http.Transport).DisableKeepAlives = true // one connection per request
		return c
	}
	ask := func(c *http.Client, method, target, body string) (int, string) {
		r, err := http.NewRequest(method, "http://agent"+target, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("X-Real-IP", "203.0.113.7")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := c.Do(r)
		require.NoError(t, err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(text)
	}
	page := func(c *http.Client) string {
		status, body := ask(c, "GET", aPage, "")
		require.Equal(t, 200, status, body)
		var answer struct{ Once hiddenField }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		return form(answer.Once.Value)
	}
	agents := []*http.Client{start("one"), start("two")}
	sent, open := page(agents[0]), page(agents[0])
	var running sync.WaitGroup
	statuses := make([]int, 100)
	for i := range statuses {
		running.Go(func() { statuses[i], _ = ask(agents[i%2], "POST", validateURL, sent) })
	}
	running.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{200: 1, 403: 99}, count)
	require.Equal(t, 1, service.Counts().GKTincValidations)

	third := start("three") // as after a restart
	status, body := ask(third, "POST", validateURL, sent)
	require.Equal(t, 403, status, body)
	status, body = ask(third, "POST", validateURL, open)
	require.Equal(t, 200, status, body)
}

// Agents on two machines without a shared directory share used pages through Redis, also
// with one that starts later.
func TestInteropAgentsShareByRedis(t *testing.T) {
	interop(t)
	port := freePort(t)
	background(t, program(t, "redis-server"), []string{"--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, time.Minute, 20*time.Millisecond)
	machine := func() *judge {
		service, env := gktincUser(t, gktest.GKTincOptions{})
		lookup := env.lookup
		env.lookup = func(name string) (string, bool) {
			if name == cacheVariable {
				return "redis://127.0.0.1:" + port + "?timeout=1s", true
			}
			return lookup(name)
		}
		j := &judge{T: t, service: service, journal: &journal{}}
		log, registry := slog.New(slog.NewJSONHandler(j.journal, nil)), &metrics.Registry{}
		routes, err := (&agentFlags{gktinc: guardFlags{ipHeader: "X-Real-IP"}}).openGKTinc(t.Context(), env, log)
		require.NoError(t, err)
		t.Cleanup(routes.close)
		j.agent = newAgentServer(nil, "", registry, log)
		routes.addTo(j.agent, registry)
		entries, err := os.ReadDir(env.cacheDir)
		require.NoError(t, err)
		require.Empty(t, entries)
		return j
	}
	one, two := machine(), machine()
	open, sent := form(one.page()["once"]), ""
	for range 20 {
		sent = form(one.page()["once"])
		var running sync.WaitGroup
		var accepted atomic.Int64
		for i := range 10 {
			running.Go(func() {
				answer := httptest.NewRecorder()
				[]*judge{one, two}[i%2].agent.ServeHTTP(answer, visitor("POST", validateURL, sent))
				if answer.Code == 200 {
					accepted.Add(1)
				}
			})
		}
		running.Wait()
		require.EqualValues(t, 1, accepted.Load())
	}
	late := machine()
	status, body := late.ask(visitor("POST", validateURL, sent))
	require.Equal(t, 403, status, body)
	status, body = late.ask(visitor("POST", validateURL, open))
	require.Equal(t, 200, status, body)
}
