package rediscache

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/sony/gobreaker/v2"
)

// A store makes exchanges with the server, each within the timeout. After a failed
// exchange, a circuit breaker rejects all others for one to two seconds, and then lets one
// through to try the server.
type store struct {
	server   server
	timeout  time.Duration    // of server
	tracked  string           // prefix of the keys whose changes onChange gets
	onChange func(key string) // nil if the caller does not track changes
	warn     func(error)
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]

	up     atomic.Bool
	errors atomic.Uint64
	warned atomic.Bool
	full   atomic.Bool // whether the server rejected the latest write

	mu         sync.Mutex // guards the fields below
	client     rueidis.Client
	connecting chan struct{} // closed when the attempt to connect ends; nil if there is none
	failed     error         // of the latest attempt
	closed     bool
}

func newStore(s server, tracked string, onChange func(string), warn func(error)) *store {
	if warn == nil {
		warn = func(error) {}
	}
	return &store{
		server: s, timeout: s.timeout, tracked: tracked, onChange: onChange, warn: warn,
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Timeout:     time.Second + rand.N(time.Second),
			ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures > 0 },
			IsExcluded:  func(err error) bool { return err == errNotCounted },
		}),
	}
}

// errNotCounted tells the circuit breaker to ignore the outcome of an exchange, since it
// says nothing about the server.
var errNotCounted = errors.New("neither success nor failure")

// A proof is what a successful exchange shows about the server.
type proof bool

const (
	answers proof = false // the server answers, but may reject new values
	stores  proof = true  // the server stores new values
)

// run executes a script. An error means that the server is unavailable or that ctx is
// done.
func (s *store) run(ctx context.Context, shows proof, script lua, keys []string, args ...string) ([]rueidis.RedisMessage, error) {
	return s.do(ctx, shows, func(ctx context.Context, client rueidis.Client) ([]rueidis.RedisMessage, error) {
		message, err := script().Exec(ctx, client, keys, args).ToMessage()
		if err != nil {
			return nil, err
		}
		if message.IsArray() {
			return message.ToArray()
		}
		return []rueidis.RedisMessage{message}, nil
	})
}

// do makes one exchange with the server, within the timeout.
func (s *store) do(ctx context.Context, shows proof, exchange func(context.Context, rueidis.Client) ([]rueidis.RedisMessage, error)) ([]rueidis.RedisMessage, error) {
	done, err := s.breaker.Allow()
	if err != nil {
		return nil, errDown
	}
	client, err := s.connect(ctx)
	var answer []rueidis.RedisMessage
	if err == nil {
		limited, cancel := patience(ctx, s.timeout)
		defer cancel()
		if answer, err = exchange(limited, client); err != nil && limited.Err() != nil {
			err = context.Cause(limited)
		}
	}
	var rejected error
	if _, replied := rueidis.IsRedisErr(err); replied {
		rejected = writeFault(err)
	}
	switch {
	case err == nil:
		done(nil)
		if shows == stores || !s.full.Load() {
			s.full.Store(false)
			s.up.Store(true)
			s.warned.Store(false)
		}
		return answer, nil
	case ctx.Err() != nil:
		done(errNotCounted)
		return nil, ctx.Err()
	case rejected != nil: // the server still serves reads
		done(errNotCounted)
		s.full.Store(true)
		err = rejected
	default:
		done(err)
	}
	s.errors.Add(1)
	s.up.Store(false)
	if errors.Is(err, errSlow) || errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no response within %v", s.timeout)
	}
	err = fmt.Errorf("%s: %w", s.server.address, err)
	if !s.warned.Swap(true) {
		s.warn(fmt.Errorf("rediscache: the cache server is unavailable: %w", err))
	}
	return nil, err
}

var errDown = errors.New("it failed a moment ago")

// writeFaults explain why a server rejects writes, by the code of its error.
var writeFaults = map[string]string{
	"OOM":        "it is out of memory: raise its maxmemory",
	"READONLY":   "it is a read-only replica: use the address of the master",
	"MISCONF":    "it cannot save its data to disk: see its log",
	"NOREPLICAS": "too few of its replicas are connected",
}

// writeFault returns an error that explains why the server rejects writes, or nil if err
// has another reason. The error of a script contains the error of the failed command.
func writeFault(err error) error {
	for code, why := range writeFaults {
		if strings.Contains(err.Error(), code+" ") {
			return fmt.Errorf("the server rejects writes (%s), since %s", code, why)
		}
	}
	return nil
}

// connect returns the client. If there is none it starts to connect and waits, up to twice
// the timeout. The attempt continues after that, so a later caller may find it done.
func (s *store) connect(ctx context.Context) (rueidis.Client, error) {
	ctx, cancel := patience(ctx, 2*s.timeout)
	defer cancel()
	s.mu.Lock()
	if s.client != nil || s.closed {
		defer s.mu.Unlock()
		if s.closed {
			return nil, errClosed
		}
		return s.client, nil
	}
	if s.connecting == nil {
		s.connecting = make(chan struct{})
		go s.dial(s.connecting)
	}
	connecting := s.connecting
	s.mu.Unlock()
	select {
	case <-connecting:
	case <-ctx.Done():
		return nil, s.unconnected(context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client == nil {
		return nil, s.unconnected(s.failed)
	}
	return s.client, nil
}

// unconnected returns the error of an attempt to connect. If the attempt took too long, the
// error says so.
func (s *store) unconnected(err error) error {
	var limit net.Error
	switch slow := errors.Is(err, errSlow) || errors.As(err, &limit) && limit.Timeout(); {
	case slow && s.server.encrypted:
		return fmt.Errorf("no TLS connection within %v: is this the server's port for TLS?", 2*s.timeout)
	case slow:
		return fmt.Errorf("no connection within %v", 2*s.timeout)
	}
	return err
}

func (s *store) dial(connecting chan struct{}) {
	option := s.server.option()
	option.Dialer = net.Dialer{Timeout: time.Minute, KeepAlive: time.Second} // dialServer ends sooner
	option.Sentinel.Dialer = option.Dialer
	option.Sentinel.TopologyRefreshInterval = 5 * time.Second
	option.DialCtxFn = s.dialServer
	option.ConnWriteTimeout = 4 * s.timeout // also limits pings on an idle connection
	option.PipelineMultiplex = -1           // one connection
	option.BlockingPoolSize = 1
	option.ReadBufferEachConn, option.WriteBufferEachConn = 16<<10, 16<<10
	option.RingScaleEachConn = 8
	option.DisableRetry = true
	option.ClientName = "gkpow"
	if s.onChange != nil {
		option.ClientTrackingOptions = []string{"BCAST", "PREFIX", s.tracked}
		option.OnInvalidations = s.invalidated
	} else {
		option.DisableCache = true
	}
	option.InitAddress = s.answering(option)
	client, err := rueidis.NewClient(option)
	if err == nil && s.server.nodes() && client.Mode() != rueidis.ClientModeCluster {
		client.Close()
		client, err = nil, errNoCluster
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connecting = nil
	close(connecting)
	if s.closed && err == nil {
		go client.Close()
		return
	}
	s.client, s.failed = client, err
	if err != nil {
		s.client = nil
	}
}

var errNoCluster = errors.New("the URL names several nodes of a cluster, but the server is not one: remove addr, or add master_set if they are sentinels")

// answering returns the addresses to connect to, beginning with the one that answers first,
// so that a node that is down does not delay the connection. In a cluster that one is
// enough; for sentinels the others follow.
func (s *store) answering(option rueidis.ClientOption) []string {
	addresses := option.InitAddress
	if len(addresses) == 1 {
		return addresses
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	first := make(chan string, len(addresses))
	var dialing sync.WaitGroup
	for _, address := range addresses {
		dialing.Go(func() {
			conn, err := s.dialServer(ctx, address, &option.Dialer, option.TLSConfig)
			if err == nil {
				conn.Close()
				first <- address
			}
		})
	}
	go func() {
		dialing.Wait()
		close(first)
	}()
	switch address, ok := <-first; {
	case !ok:
		return addresses
	case s.server.nodes():
		return []string{address}
	default:
		rest := slices.DeleteFunc(slices.Clone(addresses), func(a string) bool { return a == address })
		return append([]string{address}, rest...)
	}
}

// dialServer connects and verifies that the peer speaks the Redis protocol. rueidis takes
// any other protocol for a bug and panics.
func (s *store) dialServer(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	ctx, cancel := patience(ctx, 4*s.timeout)
	defer cancel()
	network := "tcp"
	if s.server.socket {
		network = "unix"
	}
	var conn net.Conn
	var err error
	if config != nil {
		conn, err = (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, network, address)
	} else {
		conn, err = dialer.DialContext(ctx, network, address)
	}
	if err == nil {
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		defer stop()
		if err = greet(conn); err != nil {
			conn.Close()
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// greet sends PING and reads the one-line answer: +PONG, or an error because no password
// was sent yet.
func greet(conn net.Conn) error {
	if _, err := io.WriteString(conn, "*1\r\n$4\r\nPING\r\n"); err != nil {
		return err
	}
	var line []byte
	for one := make([]byte, 1); !bytes.HasSuffix(line, []byte("\r\n")); {
		if _, err := io.ReadFull(conn, one); err != nil {
			return fmt.Errorf("connected, but got no response, which may mean that the server expects TLS (rediss://): %w", err)
		}
		if line = append(line, one[0]); len(line) > maxGreeting || line[0] != '+' && line[0] != '-' {
			return errNotRedis
		}
	}
	if answer := string(line); answer != "+PONG\r\n" && !strings.HasPrefix(answer, "-NOAUTH") && !strings.HasPrefix(answer, "-NOPERM") {
		if answer[0] == '-' {
			return fmt.Errorf("the server answered %q", strings.TrimSpace(answer))
		}
		return errNotRedis
	}
	return nil
}

// maxGreeting is the maximum length of the answer to PING, in bytes.
const maxGreeting = 512

var errNotRedis = errors.New("the server is neither Redis nor Valkey")

// invalidated is called by the connection with the keys that changed. nil means that the
// connection was lost or that the server was flushed.
func (s *store) invalidated(names []rueidis.RedisMessage) {
	if names == nil {
		s.onChange("")
	}
	for _, name := range names {
		if key, err := name.ToString(); err == nil {
			s.onChange(key)
		}
	}
}

func (s *store) close() {
	s.mu.Lock()
	client, connecting := s.client, s.connecting
	s.closed, s.client = true, nil
	s.mu.Unlock()
	if connecting != nil {
		<-connecting
	}
	if client != nil {
		client.Close()
	}
}

// jitter returns a random duration from d/2 to d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
