package gktinc

import (
	"errors"
	"fmt"
	"html/template"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// DefaultScriptURL is the vendor's script, which plays the challenge in the
// browser and adds SolutionField to the form.
const DefaultScriptURL = "https://guardiankey.io/js/gktinc-setup-latest.js?v=1"

// A PageConfig is gktinc_config, what the vendor's script has to know of a page
// (the vendor's Keycloak plugin, getJavascriptConfig). encoding/json and
// html/template write it so that it is safe inside a script element.
type PageConfig struct {
	ClientIP       string `json:"client_ip"`
	URL            string `json:"url"` // host and path, byte for byte as Validation.URL
	ChallengeLevel int    `json:"challenge_level"`
	Salt           string `json:"salt"`
	Once           string `json:"once"`
	Time           string `json:"time"` // Unix seconds at which the page was made
	Sign           string `json:"sign"` // Level.Sign; "" if no level was asked for
}

// PageConfig returns the configuration of a page for a visitor: with a fresh once,
// of 32 hex digits, and the time by the local clock. pageURL is as in PageURL. A
// level that was not asked for is Client.DefaultLevel, and so is 0.
//
// Whoever makes pages by this function, without a Guard, has to keep the once, and
// to accept it only once.
func (c *Client) PageConfig(pageURL string, ip netip.Addr, level Level) (PageConfig, error) {
	stripped, err := PageURL(pageURL)
	if err != nil {
		return PageConfig{}, err
	}
	if !ip.IsValid() {
		return PageConfig{}, errNoVisitor
	}
	if level.ChallengeLevel == 0 {
		level.ChallengeLevel = c.DefaultLevel().ChallengeLevel
	}
	return PageConfig{
		ClientIP:       ip.Unmap().WithZone("").String(),
		URL:            stripped,
		ChallengeLevel: level.ChallengeLevel,
		Salt:           c.Salt(),
		Once:           newOnce(),
		Time:           strconv.FormatInt(time.Now().Unix(), 10),
		Sign:           level.Sign,
	}, nil
}

var errNoVisitor = errors.New("gktinc: the visitor's address is not known: " +
	"behind a proxy on a unix socket, set Proxies.TrustSocket, and let the proxy send the header")

// PageOptions say how the vendor's script is called. The zero value is as the
// vendor's programs do it.
type PageOptions struct {
	// ScriptURL is where browsers get the script, "" is DefaultScriptURL. Its
	// query makes them fetch it anew when it changes; nothing is added to it. It
	// is https, http, or relative to the page.
	ScriptURL string

	FormID  string // id of the form element; "" leaves it to the script, which is given null
	InputID string // id of the monitored input element; "" is its name
	Verbose bool   // let the script write to the browser's console
}

// check refuses what browsers would not load.
func (o PageOptions) check() error {
	scheme, _, absolute := strings.Cut(o.ScriptURL, ":")
	if absolute && !strings.ContainsAny(scheme, "/?#") && !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return fmt.Errorf("Page.ScriptURL begins with %.20q: use https", scheme+":")
	}
	return nil
}

// A Page is what one page with a guarded form has to hold: Field inside the form,
// Scripts anywhere behind it. It is good for one submission by one visitor: send
// it with "Cache-Control: no-store", as Guard.Protect does.
type Page struct {
	Config  PageConfig
	Blocked bool // the script is told that this visitor is blocked
	Options PageOptions

	OnceField string // name of the hidden field; see GuardOptions.OnceField
	OnceValue string // value of the hidden field: what the server has to know of the page, signed

	// Nonce is that of the page's Content-Security-Policy, for the script
	// elements; "" is none. Set it before Scripts is called.
	Nonce string
}

var fieldTemplate = parsedOnce("field",
	`<input type="hidden" name="{{.OnceField}}" value="{{.OnceValue}}">`)

// Field returns the hidden input element.
func (p Page) Field() (template.HTML, error) { return render(fieldTemplate, p) }

var scriptsTemplate = parsedOnce("scripts",
	`<script{{with .Nonce}} nonce="{{.}}"{{end}}>
var gktinc_config = {{.Config}};
{{- if .Blocked}}
var gktinc_blocked = true;
{{- end}}
</script>
<script{{with .Nonce}} nonce="{{.}}"{{end}} src="{{.Options.ScriptURL}}"></script>
<script{{with .Nonce}} nonce="{{.}}"{{end}}>
gktinc_init(gktinc_config, {{if .Options.FormID}}document.getElementById({{.Options.FormID}}){{else}}null{{end}}, {{.Options.InputID}}, {{.Options.Verbose}});
</script>
`)

// Scripts returns the script elements: the configuration, the vendor's script and
// the call of it.
func (p Page) Scripts() (template.HTML, error) {
	if p.Options.ScriptURL == "" {
		p.Options.ScriptURL = DefaultScriptURL
	}
	return render(scriptsTemplate, p)
}

// parsedOnce returns a function that parses a template when it is first called.
func parsedOnce(name, text string) func() *template.Template {
	return sync.OnceValue(func() *template.Template { return template.Must(template.New(name).Parse(text)) })
}

func render(t func() *template.Template, p Page) (template.HTML, error) {
	var b strings.Builder
	err := t().Execute(&b, p)
	return template.HTML(b.String()), err
}
