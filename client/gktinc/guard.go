package gktinc

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/gkpow/gkpow/client"
)

// Values of GuardOptions fields that are "" or 0.
const (
	DefaultField     = "username"
	DefaultOnceField = "gktinc_once"
	defaultLifetime  = time.Hour
	defaultMaxBody   = 1 << 20
)

// GuardOptions configure a Guard. URL is needed; every other field may be left
// zero.
type GuardOptions struct {
	// URL is host and path of the page with the form, as "example.com/login". It
	// is what the service knows the page by: a name that stays, rather than what
	// a visitor's request says.
	URL string

	Field     string // name of the monitored input, whose value is sent; "" is "username"
	OnceField string // name of the hidden input with the once; "" is "gktinc_once"

	// FieldOptional accepts forms without the monitored input, which are then judged
	// with an empty value. Otherwise such a form is an ErrForm.
	FieldOptional bool

	Page PageOptions

	Store    OnceStore     // nil is a MemoryStore of the Guard's own
	Lifetime time.Duration // how long a page may lie open before the form is sent; 0 is an hour

	// AskLevel asks the service for the level of each visitor's address when a
	// page is made. Otherwise, and when it does not answer, the level is
	// Config.DefaultLevel.
	AskLevel bool

	// PreEnforce, with AskLevel, tells the page of an address which that level
	// blocks that it is blocked, and refuses its form without asking again.
	PreEnforce bool

	// SameIP refuses a form that comes from another address than the page was
	// made for. Visitors on mobile networks, and those with both IPv4 and IPv6,
	// change theirs.
	SameIP bool

	Proxies Proxies // where the visitor's address comes from

	MaxBody int64 // bytes of a form, files included, which are held in memory; 0 is 1 MiB

	// Refuse answers a form that is not accepted: err is nil if the Verdict says
	// so, and otherwise why there is none. nil answers with a short text and 403
	// Forbidden, or 503 Service Unavailable if there is no verdict, 413 Request
	// Entity Too Large for more than MaxBody, 400 Bad Request for a form that
	// cannot be read. The once is used up: a page to try again is made anew.
	Refuse func(w http.ResponseWriter, r *http.Request, verdict Verdict, err error)

	// OnError, if not nil, is told of failures that do not stop a request: of the
	// service when it was asked for a level, and of the Store when the policy
	// goes on without. See also Config.OnDegraded.
	OnError func(r *http.Request, err error)
}

// A Guard protects one form from the page to the POST. It is safe for concurrent
// use.
//
// The once of a page is random, and travels in gktinc_config, where the vendor's
// script needs it, and back in a hidden field, so that pages open in several tabs
// do not get into each other's way. There is no cookie. What makes it worth
// something is kept in the Store: that it was issued here, for this form, not too
// long ago, and has not come back before. It does not tie the form to a session:
// where that matters, a token against cross-site request forgery is still needed.
type Guard struct {
	client  *Client
	options GuardOptions
}

// Reasons of a Guard to refuse a form without asking the service. No policy
// allows them.
const (
	ReasonMissingOnce Reason = "missing_once" // the form has no once
	ReasonUnknownOnce Reason = "unknown_once" // it was not issued, has come back before, or has expired
	ReasonForeignOnce Reason = "foreign_once" // it was issued for another form, or with SameIP another address
	ReasonBlocked     Reason = "blocked"      // PreEnforce: the level of the address was to block it
)

// ErrForm is the error of a form that could not be read, or not by all programs in
// the same way. If it was too large, errors.As finds a *http.MaxBytesError.
var ErrForm = errors.New("gktinc: the form cannot be read")

// NewGuard returns a Guard for a form. The error says which option is wrong.
func (c *Client) NewGuard(o GuardOptions) (*Guard, error) {
	stripped, err := PageURL(o.URL)
	if err != nil {
		return nil, misconfigured("GuardOptions.URL: %w", err)
	}
	switch {
	case o.Lifetime < 0:
		return nil, misconfigured("GuardOptions.Lifetime is %v: set it to a positive duration, or to 0 for %v", o.Lifetime, defaultLifetime)
	case o.MaxBody < 0:
		return nil, misconfigured("GuardOptions.MaxBody is %d: set it to a number of bytes, or to 0 for %d", o.MaxBody, defaultMaxBody)
	case o.PreEnforce && !o.AskLevel:
		return nil, misconfigured("GuardOptions.PreEnforce needs AskLevel")
	}
	if err := errors.Join(o.Proxies.check(), o.Page.check()); err != nil {
		return nil, misconfigured("GuardOptions: %w", err)
	}
	o.URL = stripped
	o.Field = cmp.Or(o.Field, DefaultField)
	o.OnceField = cmp.Or(o.OnceField, DefaultOnceField)
	o.Page.InputID = cmp.Or(o.Page.InputID, o.Field)
	o.Lifetime = cmp.Or(o.Lifetime, defaultLifetime)
	o.MaxBody = cmp.Or(o.MaxBody, defaultMaxBody)
	if o.Store == nil {
		o.Store = NewMemoryStore(0)
	}
	if o.Refuse == nil {
		o.Refuse = refuseShortly
	}
	return &Guard{client: c, options: o}, nil
}

// Page makes what a page with the form has to hold, for the visitor of a request,
// and keeps its once. Under every policy a level that cannot be had is replaced by
// the default one. It fails if the visitor's address is not known or, under the
// policy Closed, if the Store fails.
func (g *Guard) Page(r *http.Request) (Page, error) {
	o, ctx := &g.options, r.Context()
	ip := o.Proxies.ClientIP(r)
	if !ip.IsValid() {
		return Page{}, errNoVisitor
	}
	level := g.client.DefaultLevel()
	if o.AskLevel {
		asked, err := g.client.ChallengeLevel(ctx, ip)
		switch {
		case err == nil:
			level = asked
		case ctx.Err() != nil:
			return Page{}, err
		default:
			g.report(r, err)
		}
	}
	config, err := g.client.PageConfig(o.URL, ip, level)
	if err != nil {
		return Page{}, err
	}
	blocked := o.PreEnforce && level.Action.Denies()
	if err := o.Store.Put(ctx, config.Once, Issued{
		URL:            config.URL,
		ClientIP:       ip,
		ChallengeLevel: config.ChallengeLevel,
		Blocked:        blocked,
		Expires:        time.Now().Add(o.Lifetime),
	}); err != nil {
		if err = storeError(err); ctx.Err() != nil || !g.client.policy.allows(ReasonUnavailable) {
			return Page{}, err
		}
		g.report(r, err)
	}
	return Page{Config: config, Blocked: blocked, Options: o.Page, OnceField: o.OnceField}, nil
}

// Check judges the form that a request brings, and uses its once up. The body can
// be read again afterwards. Forms are application/x-www-form-urlencoded and
// multipart/form-data. A body that was parsed before, as middleware against
// cross-site request forgery does it, is taken from PostForm.
//
// The solution, the once and the monitored input must be there once and as plain UTF-8
// text, whichever program reads the form. Everything else is an ErrForm: names that
// are repeated, arrays such as "username[]", other cases and encodings, malformed
// bodies. They could have the service judge a value that nobody uses.
//
// The Verdict and the error are as those of Client.Validate.
func (g *Guard) Check(r *http.Request) (Verdict, error) {
	o := &g.options
	form, err := readForm(r, o.MaxBody)
	hasField := o.FieldOptional
	if err == nil {
		_, err = form.one(o.OnceField)
	}
	if err == nil {
		_, err = form.one(SolutionField)
	}
	if err == nil {
		var there bool
		there, err = form.one(o.Field)
		hasField = hasField || there
	}
	if err != nil {
		return undecided(err)
	}
	ip := o.Proxies.ClientIP(r)
	if !ip.IsValid() {
		return undecided(errNoVisitor)
	}
	once := form.values.Get(o.OnceField)
	issued, reason, err := g.take(r, once, ip)
	switch {
	case err != nil:
		return undecided(err)
	case reason == ReasonBlocked:
		return Verdict{Reason: reason, Action: ActionBlock}, nil
	case reason != "":
		return Verdict{Reason: reason}, nil
	case !hasField:
		return undecided(fmt.Errorf("%w: the field %q is missing", ErrForm, o.Field))
	}
	return g.client.Validate(r.Context(), Validation{
		Solution:              form.values.Get(SolutionField),
		ClientIP:              ip,
		URL:                   o.URL,
		Once:                  once,
		FormPayloadSize:       g.client.PayloadSize(form.form),
		FormInputElementValue: form.values.Get(o.Field),
		ChallengeLevel:        issued.ChallengeLevel,
		UserAgent:             r.UserAgent(),
		SecCHUA:               r.Header.Get("Sec-CH-UA"),
		SecCHUAMobile:         r.Header.Get("Sec-CH-UA-Mobile"),
		SecCHUAPlatform:       r.Header.Get("Sec-CH-UA-Platform"),
	})
}

// take uses a once up and returns what it was issued for, or why it does not
// count. An error is one of the store, which the policy does not allow to pass.
func (g *Guard) take(r *http.Request, once string, ip netip.Addr) (Issued, Reason, error) {
	o := &g.options
	switch {
	case once == "":
		return Issued{}, ReasonMissingOnce, nil
	case !isOnce(once):
		return Issued{}, ReasonUnknownOnce, nil
	}
	issued, ok, err := o.Store.Take(r.Context(), once)
	switch {
	case err != nil:
		err = storeError(err)
		if r.Context().Err() != nil || !g.client.policy.allows(ReasonUnavailable) {
			return Issued{}, "", err
		}
		g.report(r, err)
		return Issued{}, "", nil
	case !ok || !time.Now().Before(issued.Expires):
		return Issued{}, ReasonUnknownOnce, nil
	case issued.URL != o.URL, o.SameIP && issued.ClientIP != ip:
		return Issued{}, ReasonForeignOnce, nil
	case issued.Blocked:
		return Issued{}, ReasonBlocked, nil
	}
	return issued, "", nil
}

func (g *Guard) report(r *http.Request, err error) {
	if g.options.OnError != nil {
		g.options.OnError(r, err)
	}
}

func undecided(err error) (Verdict, error) {
	return Verdict{Reason: ReasonError, Err: err}, err
}

func storeError(err error) error {
	return fmt.Errorf("gktinc: once store: %w: %w", client.ErrUnavailable, err)
}
