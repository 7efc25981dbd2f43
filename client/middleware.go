package client

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
)

// DefaultFormField is the form field in which the vendor's forms send a token.
const DefaultFormField = "captchaToken"

// RequireOptions configure RequireToken. The zero value follows the vendor's
// documents.
type RequireOptions struct {
	Header    string // header with the token; "" means DefaultHeader
	FormField string // form field with the token if the header is missing; "" means DefaultFormField

	// Verify holds the options of VerifyToken. For each request its ClientIP and
	// UserAgent are replaced by the visitor's.
	Verify VerifyOptions

	// ClientIP returns the visitor's address. nil means the address in
	// http.Request.RemoteAddr, which is a proxy's if there is one.
	ClientIP func(*http.Request) string

	// Refuse answers requests without an accepted token. If err is nil, the verdict
	// rejects the token; otherwise err says why there is no verdict. nil means a short
	// text with status 403 Forbidden for a rejected token, and 503 Service Unavailable
	// without a verdict.
	Refuse func(w http.ResponseWriter, r *http.Request, verdict Verdict, err error)
}

// RequireToken returns middleware that passes only requests whose token the service
// accepts. The next handler gets the verdict from VerdictFrom.
//
// The middleware looks for the form field in the body only, not in the URL, with
// http.Request.PostFormValue. That reads up to 10 MB of form data, and files of any size:
// to allow less, put an http.MaxBytesHandler in front.
func (c *Client) RequireToken(options RequireOptions) func(http.Handler) http.Handler {
	header := cmp.Or(options.Header, DefaultHeader)
	field := cmp.Or(options.FormField, DefaultFormField)
	clientIP, refuse := options.ClientIP, options.Refuse
	if clientIP == nil {
		clientIP = remoteIP
	}
	if refuse == nil {
		refuse = refuseShortly
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token := r.Header.Get(header)
			if token == "" {
				token = r.PostFormValue(field)
			}
			verify := options.Verify
			verify.ClientIP, verify.UserAgent = clientIP(r), r.UserAgent()
			verdict, err := c.VerifyToken(r.Context(), token, verify)
			if err != nil || !verdict.OK() {
				refuse(w, r, verdict, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), verdictKey{}, verdict)))
		})
	}
}

type verdictKey struct{}

// VerdictFrom returns the verdict on the token of a request that RequireToken has passed.
func VerdictFrom(ctx context.Context) (Verdict, bool) {
	verdict, ok := ctx.Value(verdictKey{}).(Verdict)
	return verdict, ok
}

// remoteIP returns RemoteAddr without port and zone, or "" if it is not an address.
func remoteIP(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return remote.Addr().Unmap().WithZone("").String()
}

func refuseShortly(w http.ResponseWriter, _ *http.Request, _ Verdict, err error) {
	if err != nil {
		http.Error(w, "the CAPTCHA token could not be verified: try again later", http.StatusServiceUnavailable)
		return
	}
	http.Error(w, "the CAPTCHA token is missing or invalid", http.StatusForbidden)
}
