package gktinc

import (
	"cmp"
	"fmt"
	"net/http"
	"time"

	"github.com/gkpow/gkpow/client"
)

// DefaultURL is the URL of the vendor's API.
const DefaultURL = "https://api.guardiankey.io"

// Defaults of Config fields.
const (
	defaultTimeout = 5 * time.Second // as in the vendor's Keycloak plugin
	defaultLevel   = 3               // as in the vendor's PHP SDK
)

// minPageKey is the minimum length of Config.PageKey, in bytes.
const minPageKey = 16

// A Config configures a Client. APIKey and HashID are required; every other field may
// be left zero.
type Config struct {
	APIKey client.Secret // sent in the header X-API-Key
	HashID string        // hash id of the protection group, "protectiongroup_hashid"

	// URL is the base URL of the API, without "/v3/..."; "" means DefaultURL. It must
	// be https unless the host is localhost or a loopback address.
	URL string

	HTTPClient *http.Client  // as in client.Config: the Client copies it and follows no redirects; nil means a new one
	Timeout    time.Duration // of each request, up to the last byte of the response; 0 means 5 s
	MaxRetries int           // as in client.Config: 0 means 2, negative means none
	UserAgent  string        // of the requests; "" means client.DefaultUserAgent
	AgentID    string        // agent_id of validations; "" means client.DefaultUserAgent

	// Limits apply to the requests of all visitors together, except for Total: it limits
	// how long one visitor waits for one response, retries included. A Total of 0 means
	// Timeout.
	Limits client.Limits

	// OnExchange, if not nil, is called after each request that was sent. Several
	// goroutines may call it at once.
	OnExchange func(client.Exchange)

	// PageKey signs the pages of a Guard. It has at least 16 bytes; the zero Secret
	// means a key derived from APIKey and HashID. All processes that serve one form
	// need the same key. Changing it invalidates all open pages.
	PageKey client.Secret

	// Predecessor, if not nil, is the Client whose key this one replaces. Pages that the
	// Predecessor signed stay valid; pages that its own Predecessor signed do not.
	Predecessor *Client

	// DefaultLevel is the challenge level of a page if none was requested for it, 1 to
	// 1000; 0 means 3.
	DefaultLevel int

	Policy Policy // decides when the service has given no verdict; 0 means Closed

	// OnDegraded, if not nil, is called with the reason each time the policy allows a
	// visitor without a verdict of the service, before Validate returns. It must be
	// safe for concurrent use.
	OnDegraded func(error)

	// PayloadSize computes form_payload_size; nil means PayloadSizePHP, the
	// documented formula.
	PayloadSize func(Form) int
}

// complete fills in defaults and rejects invalid values.
func (c Config) complete() (Config, error) {
	switch {
	case c.APIKey.IsZero():
		return c, misconfigured("APIKey is empty: set it to the key of the API (GKTINC_API_KEY)")
	case c.HashID == "":
		return c, misconfigured("HashID is empty: set it to the protection group's hash id (GKTINC_HASHID)")
	case !isKey(c.APIKey.Reveal()):
		return c, misconfigured("APIKey is not visible ASCII of at most 4 KiB: check that it contains only the key")
	case !isKey(c.HashID) || c.HashID == "." || c.HashID == "..":
		return c, misconfigured("HashID is not visible ASCII of at most 4 KiB: check that it contains only the hash id")
	case !c.PageKey.IsZero() && len(c.PageKey.Reveal()) < minPageKey:
		return c, misconfigured("PageKey (GKTINC_PAGE_KEY) has fewer than %d bytes: use a random key, such as the output of \"openssl rand -hex 32\"", minPageKey)
	case c.DefaultLevel < 0 || c.DefaultLevel > maxLevel:
		return c, misconfigured("DefaultLevel is %d: set it to a level from 1 to %d, or to 0 for the default, %d", c.DefaultLevel, maxLevel, defaultLevel)
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

// isKey reports whether a key can be sent in a header.
func isKey(s string) bool {
	for _, b := range []byte(s) {
		if b <= ' ' || b > '~' {
			return false
		}
	}
	return len(s) <= maxText
}
