// Package gktest implements the gkCAPTCHA machine-to-machine API and the GKTinc API
// as an http.Handler, for tests and for development without an account. It issues
// challenges, checks solutions with crypto/sha256, signs and verifies tokens, and
// returns every error that the API's page documents.
//
// Most tests need only two lines:
//
//	service := gktest.New(gktest.Options{Difficulty: 2})
//	server := httptest.NewServer(service)
//
// A client then finds the API at server.URL, with the keys SiteKey and SecretKey.
//
// The gkCAPTCHA API has three paths. Each accepts only a POST of a JSON object:
//
//	/api/v1/m2m/challenge   gkCAPTCHA M2M API, "1. Request a Challenge"
//	/api/v1/m2m/verify      gkCAPTCHA M2M API, "2. Solve and Submit"
//	/api/v1/token/verify    a back end's check of a token
//
// The GKTinc API has two, for the key GKTincAPIKey and the hash id GKTincHashID:
//
//	/v3/tinc/HASHID/get_challenge_level/IP   GKTinc API Usage, "1) Get Challenge Level", to GET
//	/v3/tinc/HASHID/validate_challenge       GKTinc API Usage, "2) Validate Challenge", to POST
//
// StandInPath serves a script that replaces the vendor's on web pages.
//
// A GKTinc solution is opaque. GKTincOptions.Judge decides which solutions to accept;
// the default accepts any base64, such as "AAAA".
//
// Where the documents are silent the service is strict, so that a client cannot pass
// here by a lucky guess: field names are case-sensitive, types are never converted,
// and a nonce must be a JSON number. Each type documents its choices.
package gktest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gkpow/gkpow/solver"
)

// The keys that a Service accepts by default.
const (
	SiteKey   = "pk_test_gkpow"
	SecretKey = "sk_test_gkpow"
)

// NoWork, as Options.Difficulty, requires no leading zeros: every nonce, 0 included,
// solves the challenge.
const NoWork = -1

// maxDifficulty is the number of hex digits in a SHA-256 digest.
const maxDifficulty = 2 * sha256.Size

// Options configure a Service. The zero value gives the documented service, with the
// keys SiteKey and SecretKey and without limits.
type Options struct {
	SiteKey   string // "" means the constant SiteKey
	SecretKey string // "" means the constant SecretKey

	// Difficulty is the number of leading zero hex digits of a solution, 1 to 64. 0
	// means the documented 6; NoWork means none.
	Difficulty int

	ChallengeLifetime time.Duration // 0 means 60 s; expiry times are rounded down to whole seconds
	TokenLifetime     time.Duration // 0 means 300 s; rounded in the same way

	// M2MDisabled makes both /m2m paths answer m2m_disabled (403).
	M2MDisabled bool

	// RateLimit is the number of requests to the two /m2m paths together that the
	// Service admits within one RateWindow; it answers further ones with rate_limited
	// (429). Requests with wrong keys and rejected requests do not count. 0 means no
	// limit.
	RateLimit  int
	RateWindow time.Duration // starts with the first request counted; 0 means one minute

	// Quota is the number of challenges that the Service issues in a calendar month
	// (UTC, by Clock); it answers further requests with quota_exceeded (429). Solutions
	// do not count, so the month's last challenge can still be solved. 0 means no limit.
	Quota int

	// SingleUse makes a token valid for one call of /token/verify. The API's page
	// recommends reusing tokens; other pages of the vendor call them single-use.
	SingleUse bool

	VerifyShape VerifyShape // format of the responses of /token/verify; 0 means ShapeDocs
	Hostname    string      // hostname in the responses of /token/verify, in ShapeDocs; "" means "localhost"

	SigningKey []byte           // HMAC key that signs the tokens; nil means 32 random bytes
	Clock      func() time.Time // current time, also for the Date header; nil means time.Now

	GKTinc GKTincOptions // for the paths of GuardianKey GKTinc
}

// A Service answers requests as the two APIs do. It is safe for concurrent use. Its
// memory is bounded: it drops whatever has expired, and keeps at most the latest 16,384
// challenges and as many used tokens.
type Service struct {
	options    Options // with defaults filled in
	secretHash [sha256.Size]byte
	siteHash   [sha256.Size]byte

	mu         sync.Mutex // guards the fields below
	difficulty int
	disabled   bool
	rate       window
	quota      month
	challenges expiring[challenge]
	spent      expiring[struct{}] // with SingleUse: identifiers of used tokens
	counts     Counts

	gktincFault GKTincFault
	gktincSpent expiring[struct{}] // with GKTincOptions.SingleUse: used values of once
}

// Counts holds the numbers of events since New.
type Counts struct {
	Challenges    int // challenges issued
	Verifies      int // well-formed requests to /m2m/verify with the right keys
	Tokens        int // tokens issued
	TokenVerifies int // requests to /token/verify with the right secret, whatever the verdict

	GKTincLevels      int // levels returned
	GKTincValidations int // requests to validate_challenge with the right key, whatever the action
}

// New returns a Service. It panics if a duration or limit is negative, if the
// difficulty is neither NoWork nor from 0 to 64, or if options.GKTinc is invalid.
func New(options Options) *Service {
	o := options
	o.SiteKey = or(o.SiteKey, SiteKey)
	o.SecretKey = or(o.SecretKey, SecretKey)
	o.Difficulty = or(o.Difficulty, solver.ServiceDifficulty)
	o.ChallengeLifetime = or(o.ChallengeLifetime, solver.ChallengeLifetime)
	o.TokenLifetime = or(o.TokenLifetime, 300*time.Second)
	o.RateWindow = or(o.RateWindow, time.Minute)
	o.Hostname = or(o.Hostname, "localhost")
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if len(o.SigningKey) == 0 {
		o.SigningKey = make([]byte, 32)
		rand.Read(o.SigningKey)
	}
	panicIfNegative("ChallengeLifetime", o.ChallengeLifetime)
	panicIfNegative("TokenLifetime", o.TokenLifetime)
	panicIfNegative("RateWindow", o.RateWindow)
	panicIfNegative("RateLimit", o.RateLimit)
	panicIfNegative("Quota", o.Quota)
	o.GKTinc = o.GKTinc.complete()
	s := &Service{
		options:    o,
		secretHash: sha256.Sum256([]byte(o.SecretKey)),
		siteHash:   sha256.Sum256([]byte(o.SiteKey)),
		disabled:   o.M2MDisabled,

		gktincFault: o.GKTinc.Fault,
	}
	s.SetDifficulty(o.Difficulty)
	return s
}

func panicIfNegative[T int | time.Duration](option string, value T) {
	if value < 0 {
		panic(fmt.Sprintf("gktest: %s is %v: it must not be negative", option, value))
	}
}

func or[T comparable](value, zero T) T {
	var none T
	if value == none {
		return zero
	}
	return value
}

// SetDifficulty sets the difficulty of future challenges, 0 to 64 hex digits. Unlike in
// Options, 0 means no leading zeros, as does NoWork. It panics outside that range.
func (s *Service) SetDifficulty(digits int) {
	if digits == NoWork {
		digits = 0
	}
	if digits < 0 || digits > maxDifficulty {
		panic(fmt.Sprintf("gktest: the difficulty is %d: set it to 0 to %d hex digits, or NoWork", digits, maxDifficulty))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.difficulty = digits
}

// SetM2MDisabled turns the /m2m paths off, so that they answer m2m_disabled, or on.
func (s *Service) SetM2MDisabled(disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled = disabled
}

// Counts returns the counts so far.
func (s *Service) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// ServeHTTP answers one request. Every response is JSON and has a Date header by
// Options.Clock. An error has the form {"success":false,"error":CODE}. In addition to the
// documented codes there are:
//
//   - bad_request (400): the body is not exactly one JSON object, or a field is missing or
//     has the wrong type
//   - not_found (404)
//   - method_not_allowed (405)
//   - payload_too_large (413): the body is larger than 64 KiB
//   - unsupported_media_type (415)
//
// GKTinc's page documents no errors. Its paths answer invalid_key (403) and invalid_FIELD
// (400), where FIELD is "field" for an unknown field.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := s.options.Clock()
	var handle func(*http.Request, object, time.Time) reply
	switch r.URL.Path {
	case "/api/v1/m2m/challenge":
		handle = s.issueChallenge
	case "/api/v1/m2m/verify":
		handle = s.verifySolution
	case "/api/v1/token/verify":
		handle = s.verifyToken
	case StandInPath:
		serveStandIn(w, r)
		return
	default:
		if path := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/"); len(path) > 1 && path[0] == "v3" && path[1] == "tinc" {
			s.serveGKTinc(w, r, path, now)
			return
		}
		refuse(http.StatusNotFound, "not_found").send(w, now)
		return
	}
	body, rejection := readObject(w, r)
	if rejection != nil {
		rejection.send(w, now)
		return
	}
	handle(r, body, now).send(w, now)
}

// keysMatch compares both keys in constant time.
func (s *Service) keysMatch(siteKey, secretKey string) bool {
	site := sha256.Sum256([]byte(siteKey))
	return subtle.ConstantTimeCompare(site[:], s.siteHash[:])&s.secretMatches(secretKey) == 1
}

func (s *Service) secretMatches(secretKey string) int {
	secret := sha256.Sum256([]byte(secretKey))
	return subtle.ConstantTimeCompare(secret[:], s.secretHash[:])
}
