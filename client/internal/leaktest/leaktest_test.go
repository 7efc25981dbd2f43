package leaktest

import (
	"fmt"
	"strings"
	"testing"
)

// If nothing protects a secret, all renderings show it; otherwise RequireSafe could never fail.
func TestRenderingsShow(t *testing.T) {
	const secret = "sk_live_0secret0"
	type open struct{ s string }
	for how, text := range renderings(&open{secret}) {
		if strings.HasSuffix(how, "%T") || how == "json" || how == "slog" {
			continue
		}
		if strings.HasPrefix(how, "slice") || how == "%d" || how == "%t" || how == "%10.3v" {
			continue // these print a pointer, or an error about the verb
		}
		if !strings.Contains(text, secret) && !strings.Contains(strings.ToLower(strings.ReplaceAll(text, " ", "")), fmt.Sprintf("%x", secret)) {
			t.Errorf("%s shows nothing: %s", how, text)
		}
	}
}
