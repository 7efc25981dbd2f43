package gktinc

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/gkpow/gkpow/client"
)

// DefaultURL is where the vendor runs the API.
const DefaultURL = "https://api.guardiankey.io"

// Values of Config fields that are 0.
const (
	defaultTimeout = 5 * time.Second // as in the vendor's Keycloak plugin
	defaultLevel   = 3               // as in the vendor's PHP SDK
)

// minPageKey is the least length of Config.PageKey, in bytes.
const minPageKey = 16

// A Config says whom to ask, with which key, and what to do without an answer.
// APIKey and HashID are needed; every other field may be left zero.
type Config struct {
	APIKey client.Secret // sent in the header X-API-Key
	HashID string        // the protection group's, "protectiongroup_hashid"

	// URL is where the API is, without "/v3/...": "" is DefaultURL. It must be
	// https unless the host is localhost or a loopback address.
	URL string

	HTTPClient *http.Client  // as in client.Config: copied, follows no redirects; nil is a client of its own
	Timeout    time.Duration // for each request, to the last byte of the answer; 0 is 5 s
	MaxRetries int           // as in client.Config: 0 is 2, negative is none
	UserAgent  string        // of the requests; "" is client.DefaultUserAgent
	AgentID    string        // agent_id of validations; "" is client.DefaultUserAgent

	// Limits are on the requests of all visitors. Total is how long one visitor
	// waits for one answer, repetitions included; 0 is Timeout.
	Limits client.Limits

	// PageKey is what the pages of a Guard are signed with, at least 16 bytes; a zero
	// Secret is a key derived from APIKey and HashID. All processes that serve one form
	// need the same. A new key makes the pages that are open useless.
	PageKey client.Secret

	// Predecessor, if not nil, is a Client whose key was replaced. The pages that it has
	// signed stay good; those of its own predecessor do not.
	Predecessor *Client

	// DefaultLevel is the challenge level of pages for which none was asked for,
	// 1 to 1000; 0 is 3.
	DefaultLevel int

	Policy Policy // what counts where the service has given no verdict

	// OnDegraded, if not nil, is called with the reason each time the policy
	// allows a visitor on whom the service has given no verdict, before Validate
	// returns. It may be called concurrently.
	OnDegraded func(error)

	// PayloadSize computes form_payload_size; nil is PayloadSizePHP, the
	// documented formula.
	PayloadSize func(Form) int
}

// complete replaces zero values and refuses those that cannot be.
func (c Config) complete() (Config, error) {
	switch {
	case c.APIKey.IsZero():
		return c, misconfigured("APIKey is empty: set it to the key of the API (GKTINC_API_KEY)")
	case c.HashID == "":
		return c, misconfigured("HashID is empty: set it to the protection group's hash id (GKTINC_HASHID)")
	case !isKey(c.APIKey.Reveal()):
		return c, misconfigured("APIKey is not visible ASCII of at most 4 KiB: check that it is the key alone")
	case !isKey(c.HashID) || c.HashID == "." || c.HashID == "..":
		return c, misconfigured("HashID is not visible ASCII of at most 4 KiB: check that it is the hash id alone")
	case !c.PageKey.IsZero() && len(c.PageKey.Reveal()) < minPageKey:
		return c, misconfigured("PageKey (GKTINC_PAGE_KEY) has less than %d bytes: use random ones, as of \"openssl rand -hex 32\"", minPageKey)
	case c.DefaultLevel < 0 || c.DefaultLevel > maxLevel:
		return c, misconfigured("DefaultLevel is %d: set it to 1 to %d, or to 0 for %d", c.DefaultLevel, maxLevel, defaultLevel)
	case !c.Policy.valid():
		return c, misconfigured("Policy is %d: set it to Closed, OpenOnOutage or Open", int(c.Policy))
	}
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.Limits.Total = cmp.Or(c.Limits.Total, c.Timeout)
	c.AgentID = cmp.Or(c.AgentID, client.DefaultUserAgent())
	c.DefaultLevel = cmp.Or(c.DefaultLevel, defaultLevel)
	if c.PayloadSize == nil {
		c.PayloadSize = PayloadSizePHP
	}
	return c, nil
}

func misconfigured(format string, args ...any) *client.Error {
	return &client.Error{Op: "gktinc/config", Kind: client.ErrMisconfigured, Err: fmt.Errorf(format, args...)}
}

// isKey reports whether a key can stand in a header.
func isKey(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return len(s) <= maxText
}
