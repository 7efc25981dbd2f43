package rediscache

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/internal/leaktest"
)

func TestURLs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(file, []byte("p@ss\n"), 0o600))
	type want struct {
		addresses      []string
		user, password string
		db             int
		prefix         string
		timeout        time.Duration
		tls            bool
		master         string
	}
	for url, w := range map[string]want{
		"redis://a.example":                        {[]string{"a.example:6379"}, "", "", 0, "gkpow:", 0, false, ""},
		"rediss://u:SECRET@a.example:1/2":          {[]string{"a.example:1"}, "u", "SECRET", 2, "gkpow:", 0, true, ""},
		"valkey://:SECRET%23@[::1]/":               {[]string{"[::1]:6379"}, "", "SECRET#", 0, "gkpow:", 0, false, ""},
		"valkeys://u@a?prefix=&timeout=100ms&db=3": {[]string{"a:6379"}, "u", "", 3, "", 100 * time.Millisecond, true, ""},
		"unix://u:SECRET@/run/redis.sock?db=1":     {[]string{"/run/redis.sock"}, "u", "SECRET", 1, "gkpow:", 0, false, ""},
		"redis://a?addr=b&addr=c:7&master_set=m":   {[]string{"a:6379", "b:6379", "c:7"}, "", "", 0, "gkpow:", 0, false, "m"},
		"redis://a/2?addr=b&master_set=m":          {[]string{"a:6379", "b:6379"}, "", "", 2, "gkpow:", 0, false, "m"},
		"redis://u@a?password_file=" + file:        {[]string{"a:6379"}, "u", "p@ss", 0, "gkpow:", 0, false, ""},
	} {
		s, err := parseURL(url)
		require.NoError(t, err, url)
		o := s.option()
		got := want{o.InitAddress, "", "", o.SelectDB, s.prefix, s.timeout, o.TLSConfig != nil, o.Sentinel.MasterSet}
		if o.AuthCredentialsFn != nil {
			credentials, err := o.AuthCredentialsFn(rueidis.AuthCredentialsContext{})
			require.NoError(t, err)
			got.user, got.password = credentials.Username, credentials.Password
		} else {
			got.user = o.Username
		}
		require.Equal(t, w, got, url)
		leaktest.RequireSafe(t, s, "SECRET", "p@ss")
	}
}

func TestBadURLs(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	for url, text := range map[string]string{
		"":                                          "is empty",
		"a.example:6379":                            "must begin with rediss://",
		"http://a":                                  "must begin with rediss://",
		"redis://":                                  "has no host",
		"unix://":                                   "has no socket path",
		"unix://run/redis.sock":                     "write it like unix:///run/redis/redis.sock",
		"unix:///a?addr=b":                          "has the parameter addr, but a socket is one server",
		"unix:///a?master_set=b":                    "has the parameter master_set, but a socket is one server",
		"redis://a:0":                               `has an invalid address "a:0"`,
		"redis://a:65536":                           "with a port from 1 to 65535",
		"redis://a?addr=b:x":                        `has an invalid address "b:x"`,
		"redis://a?addr=:1":                         `has an invalid address ":1"`,
		"redis://a?addr=":                           "has the parameter addr without a value",
		"redis://a?password_file=":                  "has the parameter password_file without a value",
		"redis://a?master_set=":                     "has the parameter master_set without a value",
		"redis://a?timeout=":                        "has the parameter timeout without a value",
		"redis://a?prefix=b&prefix=c":               "has the parameter prefix twice",
		"redis://a?sentinel_user=b":                 "no master_set",
		"redis://a/1?db=1":                          "remove one of them",
		"redis://a/1/2":                             "write a number, 0 or more",
		"redis://a/1?addr=b":                        "a cluster has only database 0",
		"redis://a?prefix=b%00":                     "control characters",
		"redis://a?prefix=b%09":                     "white space",
		"redis://u:SECRET@a:x":                      "is not a valid URL",
		"redis://u:SECRET#@a":                       "is not a valid URL",
		"redis://u:SECRET@a/x":                      "write a number, 0 or more",
		"redis://a?db=-1":                           "write a number, 0 or more",
		"redis://a?skip_verify=1":                   `unknown parameter "skip_verify"`,
		"redis://a?prefix=%7Ba%7D":                  "braces",
		"redis://a?policy=Fail":                     "write alone or fail",
		"redis://a?timeout=5":                       "write a duration with a unit",
		"redis://a?timeout=2s":                      "set it to a value from 10ms to 1s",
		"redis://a?password_file=/no":               "cannot be read",
		"redis://u:SECRET@a?password_file=" + empty: "remove one of them",
		"redis://u@a?password_file=" + empty:        "is empty",
		"redis://u@a?password_file=" + dir:          "not a regular file",
		"rediss://a?ca_file=" + empty:               "contains no PEM certificate",
		"rediss://a?cert_file=" + empty:             "set both or neither",
		"rediss://a?cert_file=" + empty + "&key_file=" + empty: "unusable pair of cert_file and key_file",
		"redis://a?ca_file=" + empty:                           "begin it with rediss://",
	} {
		_, err := New(&issuer{}, Options{URL: url})
		require.ErrorIs(t, err, client.ErrMisconfigured, url)
		require.ErrorContains(t, err, text, url)
		require.NotContains(t, err.Error(), "SECRET", url)
		_, err = NewOnceStore(Options{URL: url})
		require.Error(t, err, url)
	}
	for _, o := range []Options{{Timeout: -1}, {Timeout: time.Hour}, {Spare: -1}, {Spare: 99}, {Policy: 7}} {
		o.URL = "redis://a"
		_, err := New(&issuer{}, o)
		require.ErrorIs(t, err, client.ErrMisconfigured, fmt.Sprint(o))
	}
}
