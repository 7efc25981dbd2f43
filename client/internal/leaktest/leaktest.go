// Package leaktest checks that no way of printing a value reveals a secret.
package leaktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// recorder is a testify TestingT that records failure messages.
type recorder struct{ strings.Builder }

func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(r, format, args...) }

// renderings prints a value in every way that could put it in a log.
func renderings(v any) map[string]string {
	all := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "% X", "%d", "%10.3v", "%t", "%T"} {
		all[verb] = fmt.Sprintf(verb, v)
		all["slice "+verb] = fmt.Sprintf(verb, []any{v})
	}
	encoded, err := json.Marshal(v)
	all["json"] = fmt.Sprint(string(encoded), err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
	all["slog"] = log.String()
	var diff recorder
	assert.Equal(&diff, v, struct{ Other int }{1})
	assert.Equal(&diff, v, nil)
	assert.Contains(&diff, []any{v}, 1)
	all["testify"] = diff.String()
	return all
}

// RequireSafe fails the test if any rendering of v shows a secret, in plain text
// or in hex, as a dump of bytes would show it.
func RequireSafe(t testing.TB, v any, secrets ...string) {
	t.Helper()
	for how, text := range renderings(v) {
		plain := strings.NewReplacer(" ", "", "\n", "", "|", "").Replace(text)
		for _, secret := range secrets {
			if strings.Contains(plain, secret) || strings.Contains(text, secret) ||
				strings.Contains(strings.ToLower(plain), fmt.Sprintf("%x", secret)) {
				t.Fatalf("%s of %T shows %q:\n%s", how, v, secret, text)
			}
		}
	}
}
