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

// maxLevel is the highest challenge level.
const maxLevel = 1000

// maxText is the maximum length of keys and of the sign, in bytes.
const maxText = 4 << 10

// A Level is the service's assessment of an address before the visitor has done anything:
// GKTinc API Usage, "1) Get Challenge Level". Every text except Sign is printable and has
// at most 300 bytes.
type Level struct {
	Action         Action // "" if not given
	ChallengeLevel int    // effort to ask of the visitor, 1 to 1000; Config.DefaultLevel if 0 or not given
	Sign           string // goes into the page's configuration unchanged; at most 4 KiB, "" if not given
	Description    string // "" if not given
	ClientIP       string // the address, as the service repeats it
	IPPolicy       string // such as "not_listed"
	Place

	// Raw is the whole response, for fields that this package does not know. It is a
	// Secret, since a response may repeat anything.
	Raw client.Secret
}

// A Place is the presumed location of an address. Fields that the service does not give
// are "" or nil.
type Place struct {
	Country     string   // name of the country
	CountryCode string   // code of the country, usually of two letters
	Region      string   // state or province
	City        string   // name of the city
	TimeZone    string   // time zone, usually such as "America/Sao_Paulo"
	Latitude    *float64 // degrees, north is positive
	Longitude   *float64 // degrees, east is positive
	ASN         string   // autonomous system that announces the address
}

// opLevel is Error.Op of ChallengeLevel.
const opLevel = "gktinc/level"

// ChallengeLevel asks the service for the level of a visitor's challenge. It drops the
// zone of the address; an invalid address is client.ErrRejected. It does not apply the
// policy: every failure is an error, after which the caller can use DefaultLevel. An
// invalid level or sign is an error too, unless the Action denies; then ChallengeLevel
// returns the denial and treats them as not given.
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

// DefaultLevel returns Config.DefaultLevel, without a sign. It is for pages for which no
// level was requested.
func (c *Client) DefaultLevel() Level { return Level{ChallengeLevel: c.defaultLevel} }

var errNoClientIP = errors.New("the visitor's address is missing, so nothing was sent")

// address formats an address for the API. It drops the zone, which would need escaping and
// means nothing on another machine. IPv6 needs no escaping in a path (RFC 3986, "pchar").
func address(ip netip.Addr) string { return ip.Unmap().WithZone("").String() }

func (c *Client) header() http.Header {
	h := http.Header{}
	h.Set("X-API-Key", c.apiKey.Reveal())
	return h
}

func (c *Client) decodeLevel(got client.APIAnswer) (Level, error) {
	var level Level
	malformed := func(what string) (Level, error) {
		if level.Action.Denies() { // after an error, the policy could admit a visitor whom the service denies
			level.Sign = ""
			return level, nil
		}
		return Level{}, &client.Error{Op: opLevel, Kind: client.ErrUnavailable, Status: got.Status,
			Err: fmt.Errorf("the response is malformed: %s", what)}
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
			return malformed(fmt.Sprintf("challenge_level is not a whole number from 0 to %d", maxLevel))
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

// text returns an optional field, or "" if it is neither text nor a number.
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
