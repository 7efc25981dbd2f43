package rediscache

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/internal/pause"
)

// interop skips a test that needs redis-server unless GKPOW_TEST_INTEROP is set, as make
// test-all does.
func interop(t *testing.T) {
	t.Helper()
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
}

// A process is a running redis-server.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	port int
	args []string
}

// freePort returns a port that no process listens on.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startRedis starts a server without persistence.
func startRedis(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, port: freePort(t)}
	p.args = append([]string{
		"--port", strconv.Itoa(p.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir(), "--loglevel", "warning",
	}, args...)
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command("redis-server", p.args...)
	require.NoError(p.t, p.cmd.Start())
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", p.address())
		if err == nil {
			conn.Close()
			return
		}
		require.True(p.t, time.Now().Before(deadline), "redis-server does not listen: %v", err)
	}
}

func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		p.cmd = nil
	}
}

func (p *process) address() string { return "127.0.0.1:" + strconv.Itoa(p.port) }

// url sets the longest timeout allowed, since the machine that runs the tests may be busy.
func (p *process) url() string { return "redis://" + p.address() + "?timeout=1s" }

// admin runs one command on the server.
func (p *process) admin(words ...string) rueidis.RedisResult {
	p.t.Helper()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{p.address()}, ForceSingleClient: true, DisableCache: true})
	require.NoError(p.t, err)
	defer c.Close()
	return c.Do(context.Background(), c.B().Arbitrary(words...).Build())
}

// An issuer makes tokens for the account that secret names, and counts the requests.
type issuer struct {
	secret string
	asked  atomic.Int32
	took   time.Duration
	life   time.Duration
	err    atomic.Pointer[client.Error]
}

func (i *issuer) DeriveKey(purpose string, length int) ([]byte, error) {
	c, err := client.New(client.Config{SiteKey: "pk", SecretKey: client.NewSecret("sk" + i.secret)})
	if err != nil {
		return nil, err
	}
	return c.DeriveKey(purpose, length)
}

func (i *issuer) Token(ctx context.Context) (client.Token, error) {
	n := i.asked.Add(1)
	if !pause.For(ctx, i.took) {
		return client.Token{}, &client.Error{Op: "token", Err: ctx.Err()}
	}
	if err := i.err.Load(); err != nil {
		return client.Token{}, err
	}
	life := i.life
	if life == 0 {
		life = 300 * time.Second
	}
	return client.Token{Value: client.NewSecret(fmt.Sprintf("token-%s-%d", i.secret, n)), ExpiresAt: time.Now().Add(life), Rounds: 1}, nil
}

// member returns a Cache that is closed at the end of the test.
func member(t *testing.T, i Issuer, o Options) *Cache {
	t.Helper()
	c, err := New(i, o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func get(t *testing.T, c *Cache) string {
	t.Helper()
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	require.True(t, token.Alive())
	return token.Value.Reveal()
}

// The test binary starts copies of itself as members, with these environment variables.
const (
	childURL     = "GKPOW_TEST_CACHE_URL"     // URL of the cache
	childService = "GKPOW_TEST_CACHE_SERVICE" // URL of the service
)

// child gets a token and prints it.
func child() {
	c, err := client.New(client.Config{
		SiteKey: gktest.SiteKey, SecretKey: client.NewSecret(gktest.SecretKey), URL: os.Getenv(childService),
	})
	if err == nil {
		var tokens *Cache
		if tokens, err = New(c, Options{URL: os.Getenv(childURL)}); err == nil {
			var token client.Token
			if token, err = tokens.Token(context.Background()); err == nil {
				fmt.Println(token.Value.Reveal())
				tokens.Close()
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// childPatience makes the test binary run impatient.
const childPatience = "GKPOW_TEST_PATIENCE"

// impatient waits for a line, with patience for one second, and prints whether it came.
func impatient() {
	ctx, cancel := patience(context.Background(), time.Second)
	defer cancel()
	line := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		close(line)
	}()
	fmt.Println("waiting")
	select {
	case <-ctx.Done():
		fmt.Println(context.Cause(ctx))
	case <-line:
		fmt.Println("answered")
	}
}

// start starts a copy of the test binary as a member.
func start(t *testing.T, cache, service string) (cmd *exec.Cmd, output *bytes.Buffer) {
	t.Helper()
	output = new(bytes.Buffer)
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childURL+"="+cache, childService+"="+service)
	cmd.Stdout, cmd.Stderr = output, output
	require.NoError(t, cmd.Start())
	return cmd, output
}
