// Package leaktest finds secrets in whatever a value may be printed as.
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

// recorder is a testify TestingT that keeps what would have been printed.
type recorder struct{ strings.Builder }

func (r *recorder) Errorf(format string, args ...any) { fmt.Fprintf(r, format, args...) }

// renderings prints a value in all the ways that it may come to a log.
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

// RequireSafe demands that no rendering of v shows a secret. A dump of bytes
// shows it as hex, which is looked for as well.
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
