package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gkpow/gkpow/client/internal/jsonobject"
	"github.com/gkpow/gkpow/solver"
)

// maxText is the maximum length of keys and of a challenge's salt and identifier, in
// bytes.
const maxText = 4 << 10

// A Challenge is a puzzle from the service: gkCAPTCHA M2M API, "1. Request a
// Challenge". It contains no secret.
type Challenge struct {
	ID         string    `json:"challengeId"` // at most 4 KiB
	Salt       string    `json:"salt"`        // used literally, not hex-decoded; at most 4 KiB
	Difficulty int       `json:"difficulty"`  // leading zero hex digits, 0 to 64
	ExpiresAt  time.Time `json:"expiresAt"`   // by the server's clock

	// received and deadline are by the local clock, with monotonic readings. They are
	// zero in a Challenge that was not received from the service.
	received, deadline time.Time
}

// Deadline returns the time when the challenge expires, by the local clock.
// Client.Challenge compares the two clocks using the Date header, which has a resolution
// of one second.
func (ch Challenge) Deadline() time.Time {
	if ch.deadline.IsZero() {
		return ch.ExpiresAt
	}
	return ch.deadline
}

// Puzzle returns the puzzle to solve. The error is a *solver.PuzzleError if the
// difficulty is not from 0 to 64.
func (ch Challenge) Puzzle() (solver.Puzzle, error) {
	return solver.NewPuzzle(ch.Salt, ch.Difficulty)
}

// lifetime returns the remaining lifetime of the challenge when it arrived.
func (ch Challenge) lifetime() time.Duration { return ch.deadline.Sub(ch.received) }

// stop returns the time when solving must end, by the local clock.
func (ch Challenge) stop(margin time.Duration) time.Time {
	return ch.deadline.Add(-min(margin, ch.lifetime()/4))
}

// ParseChallenge parses a challenge in the API's JSON format. It is as tolerant as
// Client.Challenge: numbers may be strings, expiresAt may be Unix seconds, Unix
// milliseconds or RFC 3339, and unknown fields are ignored. The Deadline may have passed.
//
// The error is ErrUnavailable if data is not a challenge, ErrDifficulty if the difficulty
// is not from 0 to 64, and the API's own error if data is one.
func ParseChallenge(data []byte) (Challenge, error) {
	fields := jsonobject.Decode(data)
	if fields == nil {
		return Challenge{}, &Error{Op: "challenge", Kind: ErrUnavailable, Err: errors.New("not a JSON object")}
	}
	if fields.Has("success") && !fields.IsTrue("success") {
		e := &Error{Op: "challenge", Code: errorCode(fields, newRedactor()), Err: errors.New("the JSON is an error, not a challenge")}
		if e.Kind = e.Code.kind(); e.Kind == nil {
			e.Kind = ErrRejected
		}
		return Challenge{}, e
	}
	return decodeChallenge(answer{fields: fields, clock: readClock(time.Now(), nil)}, solver.MaxBits/4)
}

// decodeChallenge reads the fields that the client needs. It ignores the response's
// nonce, which is not part of the puzzle.
func decodeChallenge(a answer, maxDifficulty int) (Challenge, error) {
	fields := a.fields
	malformed := func(format string, args ...any) (Challenge, error) {
		return Challenge{}, &Error{Op: "challenge", Kind: ErrUnavailable, Status: a.status,
			Err: fmt.Errorf("the challenge is malformed: "+format, args...)}
	}
	for _, name := range []string{"challengeId", "salt", "difficulty", "expiresAt"} {
		if !fields.Has(name) {
			return malformed("%s is missing", name)
		}
	}
	for _, name := range []string{"challengeId", "salt"} {
		if fields.IsString(name) && !fields.IsText(name) {
			return malformed("%s contains invalid Unicode, so its original value is lost", name)
		}
	}
	ch := Challenge{received: a.clock.local}
	var ok bool
	if ch.ID, ok = fields.Text("challengeId"); !ok || ch.ID == "" || len(ch.ID) > maxText {
		return malformed("challengeId is not a string of 1 byte to 4 KiB")
	}
	if ch.Salt, ok = fields.Text("salt"); !ok || len(ch.Salt) > maxText {
		return malformed("salt is not a string of at most 4 KiB")
	}
	if ch.ExpiresAt, ok = fields.Timestamp("expiresAt"); !ok {
		return malformed("expiresAt is not a time")
	}
	digits, ok := fields.Number("difficulty")
	if !ok || digits != math.Trunc(digits) {
		return malformed("difficulty is not a whole number")
	}
	if digits < 0 || digits > float64(maxDifficulty) {
		return Challenge{}, &Error{Op: "challenge", Kind: ErrDifficulty, Status: a.status,
			Err: fmt.Errorf("the challenge asks for %v leading zero hex digits, outside the accepted range of 0 to %d (Config.MaxDifficulty, at most %d)",
				digits, maxDifficulty, solver.MaxBits/4)}
	}
	ch.Difficulty = int(digits)
	ch.deadline = a.clock.toLocal(ch.ExpiresAt)
	return ch, nil
}

// challengeRequest is the body of gkCAPTCHA M2M API, "1. Request a Challenge".
type challengeRequest struct {
	SiteKey   string `json:"siteKey"`
	SecretKey string `json:"secretKey"`
}

// Challenge requests a challenge, without retries. It returns ErrExpired if the
// challenge has already expired, by the server's clock, and ErrDifficulty if it is harder
// than Config.MaxDifficulty.
func (c *Client) Challenge(ctx context.Context) (Challenge, error) {
	a, err := c.api.ask(ctx, APIRequest{
		Op:   "challenge",
		Path: "/api/v1/m2m/challenge",
		Body: challengeRequest{SiteKey: c.siteKey, SecretKey: c.secretKey.Reveal()},
	})
	if err != nil {
		return Challenge{}, err
	}
	ch, err := decodeChallenge(a, c.maxDifficulty)
	if err != nil {
		return Challenge{}, err
	}
	if left := ch.lifetime(); left <= 0 {
		return Challenge{}, &Error{Op: "challenge", Kind: ErrExpired, Status: a.status,
			Err: fmt.Errorf("the challenge had expired %v before it arrived, by the server's clock", rounded(-left))}
	}
	return ch, nil
}
