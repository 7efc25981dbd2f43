package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// frame is a page that shows another page in a frame of a given width and reports what the
// frame displays.
const frame = `<!DOCTYPE html><body><iframe src="/report" width="%[1]d" height="900"></iframe><pre></pre><script>
document.querySelector("iframe").addEventListener("load", e => {
	const inside = e.target.contentDocument, root = inside.documentElement;
	if ("%[2]s") inside.styleSheets[0].insertRule(".chart text { font-family: '%[2]s' !important }", inside.styleSheets[0].cssRules.length);
	const box = x => x.getBoundingClientRect();
	const hidden = []; // labels that overlap a bar or leave their chart
	for (const chart of inside.querySelectorAll("svg.chart")) for (const text of chart.querySelectorAll("text")) {
		const t = box(text), c = box(chart);
		const into = [...chart.querySelectorAll("rect")].some(x => { const b = box(x);
			return t.left < b.right && b.left < t.right && t.top + 3 < b.bottom && b.top < t.bottom - 3; });
		if (t.width > 0 && (into || t.left < c.left - 1 || t.right > c.right + 1)) hidden.push(text.textContent);
	}
	const shown = s => [...inside.querySelectorAll(s)].filter(x => box(x).width > 0);
	document.querySelector("pre").textContent = JSON.stringify({
		width: root.clientWidth, needs: root.scrollWidth,
		wide: shown("svg.wide").length, narrow: shown("svg.narrow").length, tables: inside.querySelectorAll("table").length,
		labels: shown("svg[role=img] text").length,
		hidden, smallest: Math.min(...shown("svg[role=img] text").map(x => box(x).height)),
		background: getComputedStyle(inside.body).backgroundColor, color: getComputedStyle(inside.body).color,
		bar: getComputedStyle(inside.querySelector("svg[role=img] rect.s0")).fill,
	});
});
</script></body>`

// seen is the report of a frame.
type seen struct {
	Width, Needs           int
	Wide, Narrow           int // number of visible charts of each kind
	Tables, Labels         int
	Hidden                 []string // labels that overlap a bar or leave their chart
	Smallest               float64  // smallest height of text in charts, in pixels
	Background, Color, Bar string
}

// TestInteropBenchPage opens the report of gkpow bench in Chromium, on a desktop and on a
// phone, in light and in dark mode.
func TestInteropBenchPage(t *testing.T) {
	interop(t)
	file := filepath.Join(t.TempDir(), "page.html")
	// The canned figures produce every chart; a quick measurement on a busy machine may not.
	var stderr bytes.Buffer
	code := run(t.Context(), []string{"bench", "--strategy", "textbook,append,generic", "--salt-length", "20,32,48,64", "--difficulty", "3", "--threads", "1,2", "--html", file},
		environment{stdout: io.Discard, stderr: &stderr, lookup: noVariables, bench: cannedBench})
	require.Zero(t, code, &stderr)
	page, err := os.ReadFile(file)
	require.NoError(t, err)

	var mu sync.Mutex // guards asked
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/report":
			w.Write(page)
		case "/broken":
			w.Write(bytes.Replace(page, []byte("</main>"), []byte("<script>alert(1)</script></main>"), 1))
		case "/375", "/1000":
			var width int
			fmt.Sscanf(r.URL.Path, "/%d", &width)
			fmt.Fprintf(w, frame, width, r.URL.Query().Get("font"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	look := func(path string, flags ...string) (s seen) {
		dom, console := chromium(t, server.URL+path, flags...)
		require.Empty(t, console)
		found := regexp.MustCompile(`<pre>(.*?)</pre>`).FindSubmatch(dom)
		require.NotNil(t, found, "%s", dom)
		require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(string(found[1]))), &s), "%s", found[1])
		return s
	}
	const dark = "--blink-settings=preferredColorScheme=0"
	wide, phone, night := look("/1000"), look("/375"), look("/1000", dark)
	require.Equal(t, []int{4, 0}, []int{wide.Wide, wide.Narrow})
	require.Equal(t, []int{0, 4}, []int{phone.Wide, phone.Narrow})
	for _, s := range []seen{wide, phone, night} {
		require.LessOrEqual(t, s.Needs, s.Width, "the page must not scroll sideways")
		require.Greater(t, s.Labels, 40)
		require.Greater(t, s.Smallest, 9.0, "labels must be legible")
		require.GreaterOrEqual(t, s.Tables, 4)
	}
	// The browser positions labels by their width in the reader's font, which is a wide one here.
	const font = "?font=DejaVu+Sans+Mono"
	for _, s := range []seen{wide, phone, look("/1000" + font), look("/375" + font)} {
		require.Empty(t, s.Hidden)
	}
	require.NotEqual(t, wide.Background, night.Background)
	require.NotEqual(t, wide.Color, night.Color)
	require.NotEqual(t, wide.Bar, night.Bar)
	require.NotContains(t, []string{"rgb(0, 0, 0)", "none", ""}, wide.Bar)
	for _, path := range asked {
		require.Contains(t, []string{"/375", "/1000", "/report", "/favicon.ico"}, path, "the page must not load anything else")
	}

	// The page opens from a file without errors; an injected error proves that errors are detected.
	_, console := chromium(t, "file://"+file)
	require.Empty(t, console)
	_, console = chromium(t, server.URL+"/broken")
	require.Contains(t, console, "Content Security Policy")
}

// chromium opens a page and returns the resulting DOM and the console's output.
func chromium(t *testing.T, address string, flags ...string) (dom []byte, console string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "chromium", append(flags,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(), "--window-size=1200,900",
		"--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000", "--dump-dom", address)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	dom, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	for line := range bytes.Lines(stderr.Bytes()) {
		if bytes.Contains(line, []byte("CONSOLE")) {
			console += string(line)
		}
	}
	return dom, console
}

// TestInteropBenchstat passes the unchanged output of gkpow bench to benchstat.
func TestInteropBenchstat(t *testing.T) {
	interop(t)
	code, stdout, stderr := gkpow(t.Context(), "", "", "bench", "--strategy", "textbook,append", "--salt-length", "32,64", "--threads", "1",
		"--time", "2s", "--difficulty", "2", "--format", "benchfmt")
	require.Zero(t, code, stderr)
	file := filepath.Join(t.TempDir(), "bench.txt")
	require.NoError(t, os.WriteFile(file, []byte(stdout), 0o600))
	const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"
	out, err := exec.CommandContext(t.Context(), "go", "run", benchstat, "-col", "/strategy", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Regexp(t, `│ +textbook +│ +append +│`, string(out))
	for _, unit := range []string{"hashes/s", "sec/hash", "cycles/hash"} {
		require.Regexp(t, `│ +`+unit+` +│ +`+unit+` +vs base +│`, string(out))
	}
	require.Regexp(t, `Search/salt=64/threads=1 +[0-9.]+[kM]? ± +[0-9∞]+% .* [0-9.]+[kM]? ± +[0-9∞]+% +[-+~]`, string(out))
	require.NotContains(t, string(out), "error")
}
