//go:build unix

package rediscache

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// failoverTime is the maximum duration of a step of a failover. After its machine was suspended
// for two seconds, a sentinel does nothing for 30 s (Redis calls that TILT).
const failoverTime = 4 * time.Minute

// When the master of a Sentinel group is killed while members drain the pool, no two
// callers get the same token, and the fleet goes on with the replica.
func TestInteropSentinel(t *testing.T) {
	interop(t)
	t.Parallel()
	master := startRedis(t)
	replica := startRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	var sentinels []string
	var admins []*process
	for range 3 {
		port, dir := freePort(t), t.TempDir()
		config := filepath.Join(dir, "sentinel.conf")
		require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, "port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor fleet 127.0.0.1 %d 2\n"+
			"sentinel down-after-milliseconds fleet 1000\nsentinel failover-timeout fleet 5000\n", port, dir, master.port), 0o600))
		cmd := exec.Command("redis-server", config, "--sentinel")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		sentinels = append(sentinels, fmt.Sprintf("127.0.0.1:%d", port))
		admins = append(admins, &process{t: t, port: port})
	}
	require.Eventually(t, func() bool {
		role, _ := replica.admin("INFO", "replication").ToString()
		return strings.Contains(role, "master_link_status:up")
	}, failoverTime, 100*time.Millisecond)
	for _, s := range admins { // the sentinels find the replica and each other
		require.Eventually(t, func() bool {
			info, _ := s.admin("INFO", "sentinel").ToString()
			return strings.Contains(info, "status=ok,") && strings.Contains(info, "slaves=1,sentinels=3")
		}, failoverTime, 100*time.Millisecond)
	}

	silent := servers(t)["is silent"] // must not delay the others
	url := silent + "?timeout=1s&master_set=fleet&addr=" + strings.Join(sentinels, "&addr=")
	i := &issuer{secret: "a", took: 5 * time.Millisecond}
	shared := member(t, i, Options{URL: url})
	require.Equal(t, "token-a-1", get(t, shared))

	single := &issuer{secret: "b", took: 5 * time.Millisecond}
	options := Options{URL: url, SingleUse: true, Spare: 8}
	var mu sync.Mutex
	given := map[string]bool{}
	var running sync.WaitGroup
	ended := make(chan struct{})
	for range 4 {
		c := member(t, single, options)
		running.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				token := get(t, c)
				mu.Lock()
				if given[token] {
					t.Errorf("two callers got %s", token)
				}
				given[token] = true
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Second)
	master.kill()
	require.Eventually(t, func() bool {
		role, _ := replica.admin("INFO", "replication").ToString()
		return strings.Contains(role, "role:master")
	}, failoverTime, 200*time.Millisecond)
	time.Sleep(time.Second)
	close(ended)
	running.Wait()
	t.Logf("%d tokens, each returned once", len(given))

	require.Eventually(t, func() bool {
		c := member(t, i, Options{URL: url})
		return get(t, c) != "" && c.Stats().Up
	}, failoverTime, 500*time.Millisecond, "the new master is not used")
}

// The pool of a server that was killed and restarts from a file, or of a replica that
// becomes the master, contains tokens that were taken. Members do not take them again.
func TestInteropOldPool(t *testing.T) {
	interop(t)
	master := startRedis(t, "--repl-diskless-sync-delay", "0")
	replica := startRedis(t, "--replicaof", "127.0.0.1", strconv.Itoa(master.port))
	require.Eventually(t, func() bool { // a master gets a new replication ID with its first replica
		state, _ := replica.admin("INFO", "replication").ToString()
		return strings.Contains(state, "master_link_status:up")
	}, time.Minute, 10*time.Millisecond)
	i := &issuer{secret: "a"}
	options := Options{URL: master.url(), SingleUse: true, Spare: 3}
	c := member(t, i, options)
	stock := func(p *process, n int64) {
		t.Helper()
		require.Eventually(t, func() bool {
			got, err := p.admin("ZCARD", c.keys.pool).AsInt64()
			return err == nil && got == n
		}, time.Minute, 10*time.Millisecond)
	}
	given := map[string]bool{}
	take := func(c *Cache, n int) {
		t.Helper()
		for range n {
			token := get(t, c)
			require.False(t, given[token], "two callers got %s", token)
			given[token] = true
		}
	}
	take(c, 1)
	stock(master, 3)
	stock(replica, 3)
	require.NoError(t, master.admin("SAVE").Error())
	require.NoError(t, replica.admin("REPLICAOF", "NO", "ONE").Error())
	take(c, 3)
	require.NotZero(t, c.Stats().Shared)
	master.kill()
	take(member(t, i, Options{URL: replica.url(), SingleUse: true, Spare: 3}), 5)
	master.start()
	stock(master, 3)
	take(member(t, i, options), 5)
}

// startCluster starts a cluster of one node.
func startCluster(t *testing.T) *process {
	t.Helper()
	server := startRedis(t, "--cluster-enabled", "yes")
	require.NoError(t, server.admin("CLUSTER", "ADDSLOTSRANGE", "0", "16383").Error())
	require.Eventually(t, func() bool {
		info, _ := server.admin("CLUSTER", "INFO").ToString()
		return strings.Contains(info, "cluster_state:ok")
	}, time.Minute, 100*time.Millisecond)
	return server
}

func TestInteropCluster(t *testing.T) {
	interop(t)
	server := startCluster(t)
	i := &issuer{secret: "a", took: 100 * time.Millisecond}
	var members []*Cache
	var running sync.WaitGroup
	for range 5 {
		c := member(t, i, Options{URL: server.url()})
		members = append(members, c)
		running.Go(func() { require.Equal(t, "token-a-1", get(t, c)) })
	}
	running.Wait()
	require.EqualValues(t, 1, i.asked.Load())
	token, err := members[0].Token(t.Context())
	require.NoError(t, err)
	members[0].Invalidate(token)
	require.Eventually(t, func() bool { return get(t, members[4]) == "token-a-2" }, time.Minute, 10*time.Millisecond)
	single := member(t, &issuer{secret: "b"}, Options{URL: server.url(), SingleUse: true, Spare: 2})
	require.NotEqual(t, get(t, single), get(t, single))
	_, err = Check(t.Context(), server.url())
	require.NoError(t, err)
}

// A node that is down or silent does not keep members from the cluster.
func TestInteropClusterNodeDown(t *testing.T) {
	interop(t)
	server := startCluster(t)
	i := &issuer{secret: "a"}
	broken := servers(t)
	for _, url := range []string{broken["nobody listens"], broken["is silent"]} {
		for range 15 {
			c := member(t, i, Options{URL: url + "?timeout=400ms&addr=" + server.address()})
			require.Equal(t, "token-a-1", get(t, c))
		}
	}
	alone := startRedis(t)
	_, err := Check(t.Context(), alone.url()+"&addr="+alone.address())
	require.ErrorContains(t, err, "remove addr")
}

// TestInteropTLS uses TLS with certificates on both sides, a user with the permissions
// that docs/fleet.md lists, a password file, a database, a prefix and a unix socket.
func TestInteropTLS(t *testing.T) {
	interop(t)
	dir := t.TempDir()
	certificate, key := certify(t, dir)
	port, socket := freePort(t), filepath.Join(dir, "redis.sock")
	args := []string{"--tls-port", strconv.Itoa(port), "--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", certificate,
		"--unixsocket", socket, "--user", "default", "off", "--user", "gkpow"}
	doc, err := os.ReadFile("../../docs/fleet.md")
	require.NoError(t, err)
	_, rights, _ := strings.Cut(string(doc), "`ACL SETUSER`")
	_, rights, _ = strings.Cut(rights, "```\n")
	rights, _, _ = strings.Cut(rights, "```")
	startRedis(t, append(args, strings.Fields(rights)...)...)
	password := filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(password, []byte("PASSWORD\n"), 0o600))
	tail := "&timeout=1s&password_file=" + password
	url := fmt.Sprintf("rediss://gkpow@localhost:%d/3?ca_file=%s&cert_file=%[2]s&key_file=%s%s", port, certificate, key, tail)
	i := &issuer{secret: "a"}
	c := member(t, i, Options{URL: url, OnWarning: func(err error) { t.Error(err) }})
	require.Equal(t, "token-a-1", get(t, c))
	require.Equal(t, "token-a-1", get(t, member(t, i, Options{URL: "unix://gkpow@" + socket + "?db=3" + tail})))
	require.Equal(t, "token-a-2", get(t, member(t, i, Options{URL: "unix://gkpow@" + socket + "?db=4" + tail})), "another database")
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	c.Invalidate(token)
	require.Equal(t, "token-a-3", get(t, c))
	single := member(t, i, Options{URL: url, SingleUse: true, Spare: 1, OnWarning: func(err error) { t.Error(err) }})
	get(t, single)
	store, err := NewOnceStore(Options{URL: url, OnWarning: func(err error) { t.Error(err) }})
	require.NoError(t, err)
	defer store.Close()
	first, err := store.Use(t.Context(), "a", time.Now())
	require.NoError(t, err)
	require.True(t, first)
	report, err := Check(t.Context(), url)
	require.NoError(t, err)
	require.True(t, report.Encrypted)
	require.NotEmpty(t, report.Server)

	_, err = Check(t.Context(), fmt.Sprintf("rediss://gkpow@localhost:%d?timeout=1s", port))
	require.ErrorContains(t, err, "certificate")
	_, err = Check(t.Context(), strings.Replace(url, "/3?", "/3?prefix=other:&", 1))
	require.ErrorContains(t, err, "NOPERM")
}

// certify writes a certificate for localhost, and its key, to dir.
func certify(t *testing.T, dir string) (certificate, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}
