package manifests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// metricNames matches the names of gkpow's metrics, without the suffixes that Prometheus
// adds for histograms.
var metricNames = regexp.MustCompile(`\bgkpow_[a-z_]+`)

// requireDocumented checks that docs/metrics.md lists every metric that a text uses.
func requireDocumented(t *testing.T, text string) {
	t.Helper()
	document, err := os.ReadFile("../../docs/metrics.md")
	require.NoError(t, err)
	found := metricNames.FindAllString(text, -1)
	for _, name := range found {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		require.Contains(t, string(document), "`"+name+"`")
	}
}

func TestAlerts(t *testing.T) {
	text, err := os.ReadFile("../../docs/alerts.yml")
	require.NoError(t, err)
	requireDocumented(t, string(text))
}

// promtool runs Debian's promtool, which .ci/run installs, in docs/.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("promtool", args...)
	cmd.Dir = "../../docs"
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
}

func TestInteropAlerts(t *testing.T) {
	interop(t)
	promtool(t, "check", "rules", "alerts.yml")
	promtool(t, "test", "rules", "alerts_test.yml")
}

func interop(t *testing.T) {
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
}

type dashboard struct {
	UID    string
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ Expr string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	text, err := os.ReadFile("../../docs/dashboard.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &d))
	return d
}

func TestDashboard(t *testing.T) {
	d := readDashboard(t)
	require.NotEmpty(t, d.UID)
	require.GreaterOrEqual(t, len(d.Panels), 10)
	ids := map[int]bool{}
	for _, panel := range d.Panels {
		require.False(t, ids[panel.ID], panel.Title)
		ids[panel.ID] = true
		require.LessOrEqual(t, panel.GridPos.X+panel.GridPos.W, 24, panel.Title)
		require.NotEmpty(t, panel.Targets, panel.Title)
		for _, target := range panel.Targets {
			requireDocumented(t, target.Expr)
		}
	}
}

// promtool checks the dashboard's expressions as recording rules.
func TestInteropDashboard(t *testing.T) {
	interop(t)
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			rules = append(rules, rule{fmt.Sprintf("dashboard:panel_%d_%d", panel.ID, len(rules)), target.Expr})
		}
	}
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "rules.yml") // JSON is YAML
	require.NoError(t, os.WriteFile(file, text, 0o600))
	promtool(t, "check", "rules", file)
}
