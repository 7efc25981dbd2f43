package rediscache

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/gkpow/gkpow/client"
)

// A Report is what Check has found out about a server.
type Report struct {
	Address   string        // the first of the URL, without user and password
	Server    string        // such as "redis 7.0.15"; "" if it does not say
	Encrypted bool          // by TLS
	Latency   time.Duration // of one exchange, the second
}

// minVersion is the first of Redis that tells clients of changes.
const minVersion = 6

// Check connects to a server and does what a Cache needs: run a script, write a key that
// expires, read it and delete it. Errors are client.ErrMisconfigured for the URL, and
// otherwise client.ErrUnavailable.
func Check(ctx context.Context, url string) (Report, error) {
	s, err := Options{URL: url}.server()
	if err != nil {
		return Report{}, err
	}
	report := Report{Address: s.address, Encrypted: s.encrypted}
	store := newStore(s, s.prefix+"doctor:", func(string) {}, nil)
	defer store.close()
	key := s.prefix + "doctor:" + rand.Text()
	_, err = store.do(ctx, func(ctx context.Context, c rueidis.Client) ([]rueidis.RedisMessage, error) {
		if info, err := c.Do(ctx, c.B().Info().Section("server").Build()).ToString(); err == nil {
			report.Server = serverName(info)
		}
		return nil, nil
	})
	if err == nil {
		err = store.tracks(report.Server)
	}
	if err == nil {
		begun := time.Now()
		_, err = store.run(ctx, checkScript, []string{key})
		report.Latency = time.Since(begun)
	}
	if err != nil && ctx.Err() == nil {
		return report, &client.Error{Op: "cache", Kind: client.ErrUnavailable, Err: err}
	}
	return report, err
}

var checkScript = lua(func() *rueidis.Lua {
	return rueidis.NewLuaScript(`
redis.call('SET', KEYS[1], 'x', 'NX', 'PX', 1000)
if redis.call('GET', KEYS[1]) ~= 'x' then return redis.error_reply('what was written is not there') end
redis.call('TIME')
return redis.call('DEL', KEYS[1])`)
})

// tracks returns an error if the server is too old.
func (s *store) tracks(server string) error {
	name, version, _ := strings.Cut(server, " ")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < minVersion {
		return fmt.Errorf("%s: %s %s is too old: it must be %d or later", s.server.address, name, version, minVersion)
	}
	return nil
}

// serverName reads INFO server.
func serverName(info string) string {
	fields := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	switch {
	case fields["valkey_version"] != "":
		return "valkey " + fields["valkey_version"]
	case fields["redis_version"] != "":
		return "redis " + fields["redis_version"]
	}
	return ""
}
