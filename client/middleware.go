package client

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
)

// DefaultFormField is where the vendor's forms put a token.
const DefaultFormField = "captchaToken"

// RequireOptions configure RequireToken. The zero value is what the vendor's
// documents describe.
type RequireOptions struct {
	Header    string // "" is DefaultHeader
	FormField string // looked at if the header is missing; "" is DefaultFormField

	// Verify is used for each request; its ClientIP and UserAgent are replaced.
	Verify VerifyOptions

	// ClientIP returns the visitor's address. nil takes it from
	// http.Request.RemoteAddr, which behind a proxy is the proxy's.
	ClientIP func(*http.Request) string

	// Refuse answers requests that are not let through: err is nil if the verdict
	// refuses the token, and otherwise why there is no verdict. nil answers 403
	// Forbidden and 503 Service Unavailable with a short text.
	Refuse func(w http.ResponseWriter, r *http.Request, verdict Verdict, err error)
}

// RequireToken returns middleware that lets only those requests through whose
// token the service accepts. The handler behind finds the verdict by VerdictFrom.
//
// The form is looked at only in the body, not in the URL, and is read as
// http.Request.PostFormValue reads it: limit the body before with
// http.MaxBytesHandler where 10 MB of form, or files, are too much.
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

// VerdictFrom returns the verdict on the token of a request that RequireToken
// has let through.
func VerdictFrom(ctx context.Context) (Verdict, bool) {
	verdict, ok := ctx.Value(verdictKey{}).(Verdict)
	return verdict, ok
}

// remoteIP is RemoteAddr without port and zone, "" if it is no address.
func remoteIP(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return remote.Addr().Unmap().WithZone("").String()
}

func refuseShortly(w http.ResponseWriter, _ *http.Request, _ Verdict, err error) {
	if err != nil {
		http.Error(w, "the CAPTCHA token could not be verified", http.StatusServiceUnavailable)
		return
	}
	http.Error(w, "the CAPTCHA token is missing or not valid", http.StatusForbidden)
}
