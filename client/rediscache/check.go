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

// A Report is the result of Check.
type Report struct {
	Address   string        // the first address of the URL, without user and password
	Server    string        // name and version, such as "redis 7.0.15"; "" if the server does not say
	Encrypted bool          // whether the connection uses TLS
	Latency   time.Duration // of one exchange after the connection was made
}

// minVersion is the first major version of Redis with client tracking.
const minVersion = 6

// Check connects to a server and tries what a Cache needs: running a script, writing a
// key that expires, reading it and deleting it. The error is client.ErrMisconfigured if
// the URL is invalid, the error of ctx if that is done, and otherwise
// client.ErrUnavailable.
func Check(ctx context.Context, url string) (Report, error) {
	s, err := Options{URL: url}.server()
	if err != nil {
		return Report{}, err
	}
	report := Report{Address: s.address, Encrypted: s.encrypted}
	store := newStore(s, s.prefix+"doctor:", func(string) {}, nil)
	defer store.close()
	key := s.prefix + "doctor:" + rand.Text()
	_, err = store.do(ctx, answers, func(ctx context.Context, c rueidis.Client) ([]rueidis.RedisMessage, error) {
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
		_, err = store.run(ctx, stores, checkScript, []string{key})
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
if redis.call('GET', KEYS[1]) ~= 'x' then return redis.error_reply('a key that was just written is missing') end
redis.call('TIME')
return redis.call('DEL', KEYS[1])`)
})

// tracks returns an error if the server is too old.
func (s *store) tracks(server string) error {
	name, version, _ := strings.Cut(server, " ")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < minVersion {
		return fmt.Errorf("%s: %s %s is too old: upgrade it to version %d or later", s.server.address, name, version, minVersion)
	}
	return nil
}

// serverName returns the name and version in the output of INFO server.
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
