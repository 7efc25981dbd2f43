package gktinc

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/internal/jsonobject"
)

// maxLevel bounds challenge levels: what is above is no level.
const maxLevel = 1000

// maxText bounds keys and the sign, in bytes.
const maxText = 4 << 10

// A Level is what the service says of an address before the visitor has done
// anything: GKTinc API Usage, "1) Get Challenge Level". Text is printable and at
// most 300 bytes, but for Sign.
type Level struct {
	Action         Action // "" if not given
	ChallengeLevel int    // Config.DefaultLevel if 0 or not given
	Sign           string // goes into the page's configuration as it is; at most 4 KiB, "" if not given
	Description    string
	ClientIP       string // as the service repeats it
	IPPolicy       string // such as "not_listed"
	Place

	// Raw is the whole answer, for fields that are not known here. It is a Secret
	// because nobody knows what an answer repeats.
	Raw client.Secret
}

// A Place is where the service takes an address to be. What it does not say is
// "" or nil.
type Place struct {
	Country, CountryCode, Region, City string
	TimeZone                           string
	Latitude, Longitude                *float64 // degrees
	ASN                                string
}

// opLevel is Error.Op of ChallengeLevel.
const opLevel = "gktinc/level"

// ChallengeLevel asks for the level of the challenge that a visitor shall get.
// An address that is not valid is client.ErrRejected; a zone is left out. There
// is no policy here: every failure is an error, and DefaultLevel is what to go
// on with. A level or sign that makes no sense is one too, unless the Action
// denies: that counts, and they are as if not given.
func (c *Client) ChallengeLevel(ctx context.Context, ip netip.Addr) (Level, error) {
	if !ip.IsValid() {
		return Level{}, &client.Error{Op: opLevel, Kind: client.ErrRejected, Err: errNoClientIP}
	}
	got, err := c.api.Do(ctx, client.APIRequest{
		Op:     "level",
		Path:   c.path + "/get_challenge_level/" + address(ip),
		Header: c.header(),
	})
	if err != nil {
		return Level{}, err
	}
	return c.decodeLevel(got)
}

// DefaultLevel returns the level for pages for which none was asked for:
// Config.DefaultLevel, without a sign.
func (c *Client) DefaultLevel() Level { return Level{ChallengeLevel: c.defaultLevel} }

var errNoClientIP = errors.New("the visitor's address is missing, and nothing was sent")

// address is how the API has addresses: bare. IPv6 needs no escaping in a path
// (RFC 3986, "pchar"); a zone would, and means nothing elsewhere.
func address(ip netip.Addr) string { return ip.Unmap().WithZone("").String() }

func (c *Client) header() http.Header {
	h := http.Header{}
	h.Set("X-API-Key", c.apiKey.Reveal())
	return h
}

func (c *Client) decodeLevel(got client.APIAnswer) (Level, error) {
	var level Level
	malformed := func(what string) (Level, error) {
		if level.Action.Denies() { // which a policy must not turn into its contrary
			level.Sign = ""
			return level, nil
		}
		return Level{}, &client.Error{Op: opLevel, Kind: client.ErrUnavailable, Status: got.Status,
			Err: fmt.Errorf("the answer is malformed: %s", what)}
	}
	fields := jsonobject.Decode(got.Body)
	level = Level{
		Action:         c.action(fields, got.Body),
		ChallengeLevel: c.defaultLevel,
		Description:    c.text(fields, "description"),
		ClientIP:       c.text(fields, "client_ip"),
		IPPolicy:       c.text(fields, "ip_policy"),
		Place:          c.place(fields),
		Raw:            client.NewSecret(string(got.Body)),
	}
	if failed := complaint(fields); failed != "" && !level.Action.Denies() {
		return Level{}, &client.Error{Op: opLevel, Kind: client.ErrUnavailable, Status: got.Status, Err: complains(failed)}
	}
	if fields.Has("challenge_level") {
		number, ok := fields.Number("challenge_level")
		if !ok || number != math.Trunc(number) || number < 0 || number > maxLevel {
			return malformed(fmt.Sprintf("challenge_level is not a whole number of 0 to %d", maxLevel))
		}
		if number > 0 {
			level.ChallengeLevel = int(number)
		}
	}
	if fields.Has("sign") {
		var ok bool
		if level.Sign, ok = fields.TextOrNumber("sign"); !ok || len(level.Sign) > maxText {
			return malformed("sign is not a string of at most 4 KiB")
		}
	}
	return level, nil
}

// text returns a field that is not essential, "" if it is not text.
func (c *Client) text(fields jsonobject.Object, name string) string {
	s, _ := fields.TextOrNumber(name)
	return c.api.Printable(s)
}

func (c *Client) action(fields jsonobject.Object, answer []byte) Action {
	if denied := denial(answer); denied != "" {
		return denied
	}
	s, _ := fields.TextOrNumber("action")
	a := Action(s).normalized()
	if a.Accepts() || a.Denies() {
		return a
	}
	return Action(c.api.Printable(string(a)))
}

func (c *Client) place(fields jsonobject.Object) Place {
	degrees := func(name string, limit float64) *float64 {
		if f, ok := fields.Number(name); ok && math.Abs(f) <= limit {
			return &f
		}
		return nil
	}
	return Place{
		Country:     c.text(fields, "country"),
		CountryCode: c.text(fields, "country_code"),
		Region:      c.text(fields, "region"),
		City:        c.text(fields, "city"),
		TimeZone:    c.text(fields, "time_zone"),
		Latitude:    degrees("latitude", 90),
		Longitude:   degrees("longitude", 180),
		ASN:         c.text(fields, "asn"),
	}
}
