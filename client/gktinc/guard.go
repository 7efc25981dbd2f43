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

	// FieldFromPage takes Field and FieldOptional, when a form comes back, from the
	// page that it was on. It is for programs that make a Guard for each request.
	FieldFromPage bool

	// FieldOptional accepts forms without the monitored input, which are then judged
	// with an empty value. Otherwise such a form is an ErrForm.
	FieldOptional bool

	Page PageOptions

	Store    OnceStore     // of the pages that were used; nil is a MemoryStore of the Guard's own
	Lifetime time.Duration // how long a page may lie open before the form is sent, in whole seconds; 0 is an hour

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
// script needs it. A hidden field carries it back, with the time, the URL and
// whatever else the server has to know of the page, signed with Config.PageKey: the
// server keeps nothing of a page that is open. When its form comes back, the once goes
// to the Store, so that it does not pass a second time. Pages open in several tabs do
// not get into each other's way, and there is no cookie. The field does not tie the
// form to a session: where that matters, a token against cross-site request forgery
// is still needed.
type Guard struct {
	client  *Client
	options GuardOptions
}

// Reasons of a Guard to refuse a form without asking the service. No policy
// allows them.
const (
	ReasonMissingOnce Reason = "missing_once" // the form has no once
	ReasonUnknownOnce Reason = "unknown_once" // it was not issued with this key, has come back before, or has expired
	ReasonForeignOnce Reason = "foreign_once" // it was issued for another form or field, or with SameIP another address
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
	case o.Lifetime < 0 || o.Lifetime > 0 && o.Lifetime < time.Second:
		return nil, misconfigured("GuardOptions.Lifetime is %v: set it to a second or more, or to 0 for %v", o.Lifetime, defaultLifetime)
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

// Page makes what a page with the form has to hold, for the visitor of a request.
// Under every policy a level that cannot be had is replaced by the default one. It
// fails if the visitor's address is not known.
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
	now := g.client.now()
	signed := ticket{
		Once:     config.Once,
		Issued:   now.Unix(),
		Expires:  now.Add(o.Lifetime).Unix(),
		URL:      config.URL,
		Field:    o.Field,
		Optional: o.FieldOptional,
		Form:     o.Page.FormID,
		Level:    config.ChallengeLevel,
		Blocked:  o.PreEnforce && level.Action.Denies(),
		ClientIP: ip,
	}
	value, err := g.client.sign(signed)
	if err != nil {
		return Page{}, err
	}
	return Page{Config: config, Blocked: signed.Blocked, Options: o.Page, OnceField: o.OnceField, OnceValue: value}, nil
}

// Check judges the form that a request brings, and uses its once up. The body can
// be read again afterwards. Forms are application/x-www-form-urlencoded and
// multipart/form-data. A body that was parsed before, as middleware against
// cross-site request forgery does it, is taken from PostForm.
//
// The solution, the once and the monitored input must be there once and as plain UTF-8
// text, whichever program reads the form. Everything else is an ErrForm: names that
// are repeated, arrays such as "username[]", other cases and encodings, malformed
// bodies, another value of the monitored input in the URL's query. They could have the
// service judge a value that nobody uses.
//
// The Verdict and the error are as those of Client.Validate.
func (g *Guard) Check(r *http.Request) (Verdict, error) {
	o := &g.options
	form, err := readForm(r, o.MaxBody)
	if err == nil {
		_, err = form.one(o.OnceField)
	}
	if err == nil {
		_, err = form.one(SolutionField)
	}
	if err != nil {
		return undecided(err)
	}
	ip := o.Proxies.ClientIP(r)
	if !ip.IsValid() {
		return undecided(errNoVisitor)
	}
	signed := form.values.Get(o.OnceField)
	page, genuine := g.client.open(signed)
	field, optional := g.field(page, genuine)
	hasField, err := form.one(field)
	if err != nil {
		return undecided(err)
	}
	if verdict, err := g.admit(r, signed, page, genuine, ip); verdict.Reason != "" {
		return verdict, err
	}
	if !hasField && !optional {
		return undecided(fmt.Errorf("%w: the field %q is missing", ErrForm, field))
	}
	if err := form.agrees(r.URL.RawQuery, field); err != nil {
		return undecided(err)
	}
	return g.client.Validate(r.Context(), Validation{
		Solution:              form.values.Get(SolutionField),
		ClientIP:              ip,
		URL:                   o.URL,
		Once:                  page.Once,
		FormPayloadSize:       g.client.PayloadSize(form.form),
		FormInputElementValue: form.values.Get(field),
		ChallengeLevel:        page.Level,
		UserAgent:             r.UserAgent(),
		SecCHUA:               r.Header.Get("Sec-CH-UA"),
		SecCHUAMobile:         r.Header.Get("Sec-CH-UA-Mobile"),
		SecCHUAPlatform:       r.Header.Get("Sec-CH-UA-Platform"),
	})
}

// CheckRead judges a form that another program has read, and uses its page up. The
// Validation is what that program says of the form; its Once is the value of the hidden
// field, and the URL and the challenge level are those of the page. The program is
// trusted: it must be no visitor. The Verdict and the error are as those of Check.
func (g *Guard) CheckRead(r *http.Request, v Validation) (Verdict, error) {
	page, genuine := g.client.open(v.Once)
	if !v.ClientIP.IsValid() {
		return undecided(errNoVisitor)
	}
	if verdict, err := g.admit(r, v.Once, page, genuine, v.ClientIP.Unmap().WithZone("")); verdict.Reason != "" {
		return verdict, err
	}
	v.Once, v.URL, v.ChallengeLevel = page.Once, page.URL, page.Level
	return g.client.Validate(r.Context(), v)
}

// field returns the name of the monitored input, and whether a form may lack it.
func (g *Guard) field(page ticket, genuine bool) (name string, optional bool) {
	if g.options.FieldFromPage && genuine {
		return page.Field, page.Optional
	}
	return g.options.Field, g.options.FieldOptional
}

// admit uses the page of a form up. The Verdict has a Reason if it does not count.
func (g *Guard) admit(r *http.Request, signed string, page ticket, genuine bool, ip netip.Addr) (Verdict, error) {
	field, _ := g.field(page, genuine)
	var reason Reason
	var err error
	switch {
	case signed == "":
		reason = ReasonMissingOnce
	case !genuine:
		reason = ReasonUnknownOnce
	default:
		reason, err = g.use(r, page, field, ip)
	}
	switch {
	case err != nil:
		return undecided(err)
	case reason == ReasonBlocked:
		return Verdict{Reason: reason, Action: ActionBlock}, nil
	}
	return Verdict{Reason: reason}, nil
}

// use uses a page up, and returns why it does not count, "" if it does. An error is
// one of the store, which the policy does not allow to pass.
func (g *Guard) use(r *http.Request, page ticket, field string, ip netip.Addr) (Reason, error) {
	o := &g.options
	first, err := o.Store.Use(r.Context(), page.Once, time.Unix(page.Expires, 0))
	if err != nil {
		err = storeError(err)
		if r.Context().Err() != nil || !g.client.policy.allows(ReasonUnavailable) {
			return "", err
		}
		g.report(r, err)
		first = true
	}
	switch {
	case !first:
		return ReasonUnknownOnce, nil
	case page.URL != o.URL, page.Field != field, o.Page.FormID != "" && page.Form != o.Page.FormID, o.SameIP && page.ClientIP != ip:
		return ReasonForeignOnce, nil
	case page.Blocked:
		return ReasonBlocked, nil
	}
	return "", nil
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
