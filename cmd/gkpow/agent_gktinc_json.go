package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/gkpow/gkpow/client/gktinc"
)

// checkJSON checks a form that another program has read and describes with the documented
// fields, as for gkpow gktinc validate. The field once is the value of the hidden field.
//
// Requests that a proxy passes on from visitors must not get here, or visitors could
// describe their own forms. Such requests have the parameter url.
func (g *gktincRoutes) checkJSON(r *http.Request, query url.Values) (gktinc.Verdict, error) {
	unreadable := func(err error) (gktinc.Verdict, error) {
		return gktinc.Verdict{Reason: gktinc.ReasonError, Err: err}, fmt.Errorf("%w: %w", gktinc.ErrForm, err)
	}
	if query.Has("redirect") {
		return unreadable(fmt.Errorf("redirect is for forms, not for JSON"))
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxValidation))
	if err != nil {
		return unreadable(err)
	}
	v, has, err := parseFields(data)
	if err != nil {
		return unreadable(err)
	}
	if r.RemoteAddr = "@"; !v.ClientIP.IsValid() {
		v.ClientIP = g.options.Proxies.ClientIP(r)
	}
	switch {
	case !v.ClientIP.IsValid():
		return unreadable(fmt.Errorf("the validation has no client_ip"))
	case !has("form_payload_size"):
		return unreadable(fmt.Errorf("the validation has no form_payload_size"))
	case !has("form_input_element_value") && !query.Has("field-optional"):
		return unreadable(fmt.Errorf("the validation has no form_input_element_value"))
	}
	described := url.Values{"url": {v.URL}}
	for _, name := range pageParameters {
		if query.Has(name) {
			described.Set(name, query.Get(name))
		}
	}
	guard, err := g.of(described)
	if err != nil {
		return unreadable(fmt.Errorf("the validation's url is not a host and path, such as example.com/login"))
	}
	return guard.CheckRead(r, v)
}

// maxValidation is the largest description of a form, in bytes.
const maxValidation = 1 << 20
