package gktinc

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// DefaultScriptURL is the URL of the vendor's script, which runs the challenge in the
// browser and adds SolutionField to the form.
const DefaultScriptURL = "https://guardiankey.io/js/gktinc-setup-latest.js?v=1"

// A PageConfig is gktinc_config, the input of the vendor's script (see
// getJavascriptConfig in the vendor's Keycloak plugin). Both encoding/json and
// html/template encode it safely for a script element.
type PageConfig struct {
	ClientIP       string `json:"client_ip"`       // the visitor's address, without a port
	URL            string `json:"url"`             // host and path, identical to Validation.URL
	ChallengeLevel int    `json:"challenge_level"` // effort asked of the visitor, 1 to 1000
	Salt           string `json:"salt"`            // Client.Salt: 40 lower-case hex digits
	Once           string `json:"once"`            // 32 hex digits, valid for one submission
	Time           string `json:"time"`            // creation time of the page, in Unix seconds
	Sign           string `json:"sign"`            // Level.Sign; "" if no level was requested
}

// PageConfig returns the configuration of a page for a visitor, with a new once and the
// time by the local clock. pageURL is as in PageURL. Pass Client.DefaultLevel if no level
// was requested; a challenge level of 0 is replaced by the default, too.
//
// If you use PageConfig without a Guard, you have to store the once and accept it only
// once.
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

var errNoVisitor = errors.New("gktinc: the visitor's address is unknown: " +
	"for a proxy on a unix socket, set Proxies.TrustSocket and configure the proxy to send the header")

// PageOptions configure how a page calls the vendor's script. The zero value calls it as
// the vendor's programs do.
type PageOptions struct {
	// ScriptURL is the URL of the script; "" means DefaultScriptURL. It is https, http
	// or relative to the page. Nothing is added to it; change its query to make
	// browsers fetch the script again.
	ScriptURL string

	FormID  string // id of the form element; "" lets the script find it (the page passes null)
	InputID string // id of the monitored input element; "" means its name
	Verbose bool   // lets the script write to the browser's console
}

// check rejects URLs that browsers would not load.
func (o PageOptions) check() error {
	scheme, _, absolute := strings.Cut(o.ScriptURL, ":")
	if absolute && !strings.ContainsAny(scheme, "/?#") && !strings.EqualFold(scheme, "https") && !strings.EqualFold(scheme, "http") {
		return fmt.Errorf("Page.ScriptURL begins with %.20q: use https", scheme+":")
	}
	return nil
}

// A Page is what a page with a guarded form must contain: Field inside the form, and
// Scripts anywhere after it. It is valid for one submission by one visitor, so serve the
// page with "Cache-Control: no-store", as Guard.Protect does.
type Page struct {
	Config  PageConfig  // input of the vendor's script
	Blocked bool        // tells the script that this visitor is blocked
	Options PageOptions // how to call the script

	OnceField string // name of the hidden field; see GuardOptions.OnceField
	OnceValue string // value of the hidden field: the signed data that the server needs about the page

	// Nonce is the nonce of the page's Content-Security-Policy, for the script
	// elements; "" means none. Set it before you call Scripts.
	Nonce string
}
