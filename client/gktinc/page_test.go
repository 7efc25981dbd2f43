package gktinc

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
)

// newClient returns a client for tests that make no requests.
func newClient(t *testing.T) *Client {
	c, err := New(Config{APIKey: client.NewSecret("key-SENTINEL"), HashID: "hash"})
	require.NoError(t, err)
	return c
}

func TestPageConfig(t *testing.T) {
	c := newClient(t)
	got, err := c.PageConfig("https://example.com/login?next=/#top", netip.MustParseAddr("::ffff:203.0.113.7"),
		Level{ChallengeLevel: 2, Sign: "s1gn"})
	require.NoError(t, err)
	require.Regexp(t, `^[0-9a-f]{32}$`, got.Once)
	seconds, err := strconv.ParseInt(got.Time, 10, 64)
	require.NoError(t, err)
	require.InDelta(t, time.Now().Unix(), seconds, 60)
	data, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"client_ip": "203.0.113.7", "url": "example.com/login", "challenge_level": 2,
		"salt": "`+c.Salt()+`", "once": "`+got.Once+`", "time": "`+got.Time+`", "sign": "s1gn"
	}`, string(data))
	require.NotContains(t, string(data), "SENTINEL")

	again, err := c.PageConfig("example.com/login", netip.MustParseAddr("fe80::1%eth0"), Level{})
	require.NoError(t, err)
	require.NotEqual(t, got.Once, again.Once)
	require.Equal(t, "fe80::1", again.ClientIP)
	require.Equal(t, 3, again.ChallengeLevel)
	require.Empty(t, again.Sign)

	_, err = c.PageConfig("example.com/login", netip.Addr{}, Level{})
	require.ErrorContains(t, err, "address is unknown")
	_, err = c.PageConfig("", netip.MustParseAddr("203.0.113.7"), Level{})
	require.Error(t, err)
}

func TestPageHTML(t *testing.T) {
	page := Page{
		Config: PageConfig{
			ClientIP: "203.0.113.7", URL: "example.com/login", ChallengeLevel: 3,
			Salt: "5a17", Once: "0ce", Time: "1710000000", Sign: "s1gn",
		},
		Options:   PageOptions{InputID: "username"},
		OnceField: DefaultOnceField,
		OnceValue: "s1gned",
	}
	field, err := page.Field()
	require.NoError(t, err)
	require.Equal(t, `<input type="hidden" name="gktinc_once" value="s1gned">`, string(field))
	scripts, err := page.Scripts()
	require.NoError(t, err)
	require.Equal(t, `<script>
var gktinc_config = {"client_ip":"203.0.113.7","url":"example.com/login","challenge_level":3,"salt":"5a17","once":"0ce","time":"1710000000","sign":"s1gn"};
</script>
<script src="https://guardiankey.io/js/gktinc-setup-latest.js?v=1"></script>
<script>
gktinc_init(gktinc_config, null, "username",  false );
</script>
`, string(scripts))

	page.Blocked = true
	page.Nonce = "n0nce"
	page.Options = PageOptions{ScriptURL: "/js/own.js?v=2&x=1", FormID: "login", InputID: "user", Verbose: true}
	scripts, err = page.Scripts()
	require.NoError(t, err)
	require.Equal(t, 3, strings.Count(string(scripts), `<script nonce="n0nce"`))
	require.Contains(t, string(scripts), "\nvar gktinc_blocked = true;\n</script>")
	require.Contains(t, string(scripts), ` src="/js/own.js?v=2&amp;x=1"></script>`)
	require.Contains(t, string(scripts), `gktinc_init(gktinc_config, document.getElementById("login"), "user",  true );`)

	// A template does not escape either of the two again.
	var out bytes.Buffer
	require.NoError(t, template.Must(template.New("").Parse(`<form>{{.Field}}</form>{{.Scripts}}`)).Execute(&out, page))
	require.Equal(t, "<form>"+string(field)+"</form>"+string(scripts), out.String())
}

// hostile tries to break out of whatever surrounds it: elements, attributes, strings,
// comments and lines.
const hostile = "</script><script>alert(1)//--><!--]]>\"'`\\\u2028\u2029\x00\n&lt;${x}{{x}}\xff"

func TestPageHostile(t *testing.T) {
	page := Page{
		Config:    PageConfig{ClientIP: hostile, URL: hostile, Salt: hostile, Once: hostile, Time: hostile, Sign: hostile},
		Options:   PageOptions{ScriptURL: hostile, FormID: hostile, InputID: hostile},
		OnceField: hostile,
		OnceValue: hostile,
		Nonce:     `"'><script>`,
	}
	field, err := page.Field()
	require.NoError(t, err)
	scripts, err := page.Scripts()
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(field), "<"))
	require.Equal(t, 1, strings.Count(string(field), ">"))
	require.Equal(t, 6, strings.Count(string(field), `"`))
	require.Equal(t, 3, strings.Count(string(scripts), "<script nonce=\""))
	require.Equal(t, 6, strings.Count(string(scripts), "<"), "there are tags other than those of three elements")
	for _, s := range []string{"\u2028", "\u2029", "\x00"} {
		require.NotContains(t, string(scripts), s)
	}

	// The JSON alone is safe too, and has the same content.
	data, err := json.Marshal(page.Config)
	require.NoError(t, err)
	require.NotRegexp(t, `[<>&\x{2028}\x{2029}]`, string(data))
	var back PageConfig
	require.NoError(t, json.Unmarshal(data, &back))
	require.Equal(t, strings.ToValidUTF8(hostile, "\uFFFD"), back.Sign)
}

// html/template, which knows the grammar of HTML, JavaScript and URLs, renders the same
// values identically, except that it escapes NUL and plus signs differently.
func TestPageAgainstTemplates(t *testing.T) {
	field := template.Must(template.New("field").Parse(`<input type="hidden" name="{{.OnceField}}" value="{{.OnceValue}}">`))
	scripts := template.Must(template.New("scripts").Parse(`<script{{with .Nonce}} nonce="{{.}}"{{end}}>
var gktinc_config = {{.Config}};
{{- if .Blocked}}
var gktinc_blocked = true;
{{- end}}
</script>
<script{{with .Nonce}} nonce="{{.}}"{{end}} src="{{.Options.ScriptURL}}"></script>
<script{{with .Nonce}} nonce="{{.}}"{{end}}>
gktinc_init(gktinc_config, {{if .Options.FormID}}document.getElementById({{.Options.FormID}}){{else}}null{{end}}, {{.Options.InputID}}, {{.Options.Verbose}});
</script>
`))
	values := []string{"", "plain", hostile, strings.ReplaceAll(hostile, "\x00", ""), `a+b`, "ä€😀", "%41%zz%", "/x y?a=b&c='d'(e)", `\u003c`, "-1", " "}
	for i := range 256 {
		values = append(values, "/x"+string(rune(i))+"y", "/"+string([]byte{byte(i)}))
	}
	for i, v := range values {
		page := Page{
			Config:    PageConfig{ClientIP: v, URL: v, ChallengeLevel: i, Salt: v, Once: v, Time: v, Sign: v},
			Options:   PageOptions{ScriptURL: v, FormID: v, InputID: v, Verbose: i%2 == 0},
			Blocked:   i%3 == 0,
			OnceField: v, OnceValue: v, Nonce: v,
		}
		if v == "" {
			page.Options.ScriptURL = DefaultScriptURL
		}
		for _, check := range []struct {
			want *template.Template
			got  func() (template.HTML, error)
		}{{field, page.Field}, {scripts, page.Scripts}} {
			var want strings.Builder
			require.NoError(t, check.want.Execute(&want, page))
			got, err := check.got()
			require.NoError(t, err)
			require.Equal(t, strings.ReplaceAll(want.String(), "&#43;", "+"), strings.ReplaceAll(string(got), "\x00", "\uFFFD"), "%q", v)
		}
	}
	_, err := Page{Options: PageOptions{ScriptURL: "javascript:alert(1)"}}.Scripts()
	require.ErrorContains(t, err, `Page.ScriptURL begins with "javascript:": use https`)
}

func TestPageOptionsCheck(t *testing.T) {
	for _, good := range []string{"", DefaultScriptURL, "HTTP://example.com/x.js", "/x.js", "x.js?a=b:c", "//example.com/x.js"} {
		require.NoError(t, PageOptions{ScriptURL: good}.check(), good)
	}
	for _, bad := range []string{"javascript:alert(1)", "data:text/javascript,x", "file:///x.js"} {
		require.Error(t, PageOptions{ScriptURL: bad}.check(), bad)
	}
}
