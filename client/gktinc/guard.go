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

// Defaults of GuardOptions fields.
const (
	DefaultField     = "username"
	DefaultOnceField = "gktinc_once"
	defaultLifetime  = time.Hour
	defaultMaxBody   = 1 << 20
)

// GuardOptions configure a Guard. URL is required; every other field may be left
// zero.
type GuardOptions struct {
	// URL is the host and path of the page with the form, such as
	// "example.com/login". The service identifies the page by it, so it is a fixed
	// name and does not come from a visitor's request.
	URL string

	Field     string // name of the monitored input, whose value the service gets; "" means "username"
	OnceField string // name of the hidden input with the once; "" means "gktinc_once"

	// FieldFromPage takes Field and FieldOptional of a submitted form from its page.
	// Use it if you create a new Guard for each request.
	FieldFromPage bool

	// FieldOptional accepts forms without the monitored input; the service then gets
	// an empty value. Without FieldOptional, such a form is an ErrForm.
	FieldOptional bool

	Page PageOptions // how the page calls the vendor's script

	Store    OnceStore     // records used pages; nil means a new MemoryStore
	Lifetime time.Duration // how long a page stays valid, in whole seconds; 0 means an hour

	// AskLevel asks the service for the level of the visitor's address for each
	// page. Without it, or if the service does not answer, the level is
	// Config.DefaultLevel.
	AskLevel bool

	// PreEnforce, with AskLevel, blocks visitors whose level has an action that
	// denies: the page says that they are blocked, and the Guard rejects the form
	// without asking the service again.
	PreEnforce bool

	// SameIP rejects a form that comes from a different address than the request for
	// its page. Note that the address of visitors on mobile networks, or with both
	// IPv4 and IPv6, may change.
	SameIP bool

	Proxies Proxies // how to determine the visitor's address

	MaxBody int64 // maximum size of a form in bytes, files included; it is held in memory; 0 means 1 MiB

	// Refuse answers a form that is not accepted. If err is nil, the Verdict denies;
	// otherwise err says why there is no verdict. nil means a short text, with status
	// 403 Forbidden for a denial, 413 Request Entity Too Large for more than MaxBody,
	// 400 Bad Request for an unreadable form, and 503 Service Unavailable for any
	// other error. The once is used up, so visitors need a new page to try again.
	Refuse func(w http.ResponseWriter, r *http.Request, verdict Verdict, err error)

	// OnError, if not nil, is called when a request continues despite a failure: the
	// service returned no level, or the Store failed and the policy tolerates that. See
	// also Config.OnDegraded.
	OnError func(r *http.Request, err error)
}

// A Guard protects one form, from the page to the POST. It is safe for concurrent use.
//
// Each page has a random once in gktinc_config, which the vendor's script needs. A
// hidden field returns it, along with the time, the URL and everything else that the
// server has to know about the page, signed with Config.PageKey; the server stores
// nothing about open pages. When the form arrives, the Guard records the once in the
// Store, so that the form is accepted only once. There are no cookies, and pages in
// several tabs do not interfere. The field does not bind the form to a session; to
// prevent cross-site request forgery you still need a token.
type Guard struct {
	client  *Client
	options GuardOptions
}

// These are a Guard's reasons to reject a form without asking the service. No policy
// overrides them.
const (
	ReasonMissingOnce Reason = "missing_once" // the form has no once
	ReasonUnknownOnce Reason = "unknown_once" // the once was not issued with this key, was used before, or has expired
	ReasonForeignOnce Reason = "foreign_once" // the once was issued for another form or field or, with SameIP, another address
	ReasonBlocked     Reason = "blocked"      // PreEnforce: the level of the address has an action that denies
)

// ErrForm means that a form cannot be read, or that different programs would read it
// differently. If the form was too large, errors.As finds a *http.MaxBytesError.
var ErrForm = errors.New("gktinc: the form cannot be read")

// NewGuard returns a Guard for a form. The error is client.ErrMisconfigured and names the
// invalid option.
func (c *Client) NewGuard(o GuardOptions) (*Guard, error) {
	stripped, err := PageURL(o.URL)
	if err != nil {
		return nil, misconfigured("GuardOptions.URL: %w", err)
	}
	switch {
	case o.Lifetime < 0 || o.Lifetime > 0 && o.Lifetime < time.Second:
		return nil, misconfigured("GuardOptions.Lifetime is %v: set it to at least a second, or to 0 for the default, %v", o.Lifetime, defaultLifetime)
	case o.MaxBody < 0:
		return nil, misconfigured("GuardOptions.MaxBody is %d: set it to a number of bytes, or to 0 for the default, %d", o.MaxBody, defaultMaxBody)
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

// Page returns what the page with the form must contain, for the visitor who sent r. If
// the service does not return a level, Page uses the default level, under every policy. It
// returns an error if the visitor's address is unknown.
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

// Check decides whether to accept the form in a request, and marks its once as used. The
// body can be read again afterwards. A form is application/x-www-form-urlencoded or
// multipart/form-data. If the body is already parsed, for example by middleware against
// cross-site request forgery, Check uses PostForm.
//
// Every program that reads the form must find the solution, the once and the monitored
// input exactly one time each, as plain UTF-8 text. Otherwise the service could check a
// value that the application does not use. So Check returns ErrForm for repeated names,
// arrays such as "username[]", names in other cases and encodings, malformed bodies, and a
// different value of the monitored input in the URL's query.
//
// Check returns the Verdict and the error of Client.Validate.
func (g *Guard) Check(r *http.Request) (Verdict, error) {
	o := &g.options
	form, err := readForm(r, o.MaxBody)
	if err == nil {
		_, err = form.single(o.OnceField)
	}
	if err == nil {
		_, err = form.single(SolutionField)
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
	hasField, err := form.single(field)
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

// CheckRead is Check for a form that another program has read. That program fills in the
// Validation, with the value of the hidden field as Once; CheckRead takes the URL and the
// challenge level from the page. CheckRead trusts the program, so visitors must not be
// able to call it.
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

// field returns the name of the monitored input and whether it is optional.
func (g *Guard) field(page ticket, genuine bool) (name string, optional bool) {
	if g.options.FieldFromPage && genuine {
		return page.Field, page.Optional
	}
	return g.options.Field, g.options.FieldOptional
}

// admit marks the page of a form as used. If it rejects the form, the Verdict has a Reason.
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

// use marks a page as used and returns the reason to reject its form, or "" if there is
// none. It returns an error if the store failed and the policy does not tolerate that.
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
