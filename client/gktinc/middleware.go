package gktinc

import (
	"context"
	"errors"
	"net/http"

	"github.com/gkpow/gkpow/client"
)

// Protect returns a handler that passes only accepted forms to next, where VerdictFrom
// returns the verdict. It passes every GET, HEAD and OPTIONS request, so that next can
// serve the page with the form, made with Guard.Page. All responses are marked no-store. A
// Guard does not check the URL: next must not act on data in it, and must read forms with
// http.Request.PostFormValue rather than FormValue.
func (g *Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		switch r.Method {
		case http.MethodGet, http.MethodHead, http.MethodOptions:
			next.ServeHTTP(w, r)
			return
		}
		verdict, err := g.Check(r)
		if !verdict.Allowed {
			g.options.Refuse(w, r, verdict, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), verdictKey{}, verdict)))
	})
}

type verdictKey struct{}

// VerdictFrom returns the verdict on the form of a request that Guard.Protect has passed.
func VerdictFrom(ctx context.Context) (Verdict, bool) {
	verdict, ok := ctx.Value(verdictKey{}).(Verdict)
	return verdict, ok
}

// refuseShortly is the default of GuardOptions.Refuse.
func refuseShortly(w http.ResponseWriter, _ *http.Request, _ Verdict, err error) {
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		http.Error(w, "the form was not accepted: load the page again", http.StatusForbidden)
	case errors.As(err, &tooLarge):
		http.Error(w, "the form is too large", http.StatusRequestEntityTooLarge)
	case errors.Is(err, ErrForm), errors.Is(err, client.ErrRejected):
		http.Error(w, "the form cannot be read", http.StatusBadRequest)
	default:
		http.Error(w, "the form could not be checked: try again later", http.StatusServiceUnavailable)
	}
}
