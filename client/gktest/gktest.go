// Package gktest is the gkCAPTCHA machine-to-machine API and the GKTinc API as an
// http.Handler, for tests and for work without an account. It issues challenges,
// checks solutions with crypto/sha256, signs tokens and verifies them, and
// refuses in every way the API's page documents.
//
// Most tests need two lines:
//
//	service := gktest.New(gktest.Options{Difficulty: 2})
//	server := httptest.NewServer(service)
//
// A client then finds the API at server.URL, with the keys SiteKey and SecretKey.
//
// Three paths answer, each to POST with a JSON object only:
//
//	/api/v1/m2m/challenge   gkCAPTCHA M2M API, "1. Request a Challenge"
//	/api/v1/m2m/verify      gkCAPTCHA M2M API, "2. Solve and Submit"
//	/api/v1/token/verify    the back end's check of a token
//
// Two more are those of GKTinc, for the key GKTincAPIKey and the hash id
// GKTincHashID:
//
//	/v3/tinc/HASHID/get_challenge_level/IP   GKTinc API Usage, "1) Get Challenge Level", to GET
//	/v3/tinc/HASHID/validate_challenge       GKTinc API Usage, "2) Validate Challenge", to POST
//
// For pages there is StandInPath, a script in place of the vendor's.
//
// A solution of GKTinc is opaque; which are accepted is a matter of
// GKTincOptions.Judge: unless told otherwise any base64, such as "AAAA".
//
// Where the page is silent the service is strict, so that a client which works
// here has made no guess: names are matched by case, types are never converted,
// and a nonce must be a JSON number. What it does then is said at each type.
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

// The keys a Service accepts unless its Options name others.
const (
	SiteKey   = "pk_test_gkpow"
	SecretKey = "sk_test_gkpow"
)

// NoWork as Options.Difficulty asks for no leading zero at all: every nonce
// solves the challenge, 0 included.
const NoWork = -1

// maxDifficulty is all the hex digits of a SHA-256 digest.
const maxDifficulty = 2 * sha256.Size

// Options configure a Service. The zero value is the documented service with
// the keys SiteKey and SecretKey, without limits.
type Options struct {
	SiteKey   string // "" is the constant SiteKey
	SecretKey string // "" is the constant SecretKey

	// Difficulty counts the leading zero hex digits a solution needs, 1 to 64.
	// 0 is the documented 6; NoWork asks for none.
	Difficulty int

	ChallengeLifetime time.Duration // 0 is 60 s; the API rounds its end down to a whole second
	TokenLifetime     time.Duration // 0 is 300 s, rounded likewise

	// M2MDisabled answers m2m_disabled (403) on both /m2m paths.
	M2MDisabled bool

	// RateLimit is how many requests to the /m2m paths, both counted together,
	// are answered within a RateWindow; more are rate_limited (429). Requests
	// with wrong keys are not counted, nor are those refused. 0 is no limit.
	RateLimit  int
	RateWindow time.Duration // from the first request counted; 0 is one minute

	// Quota is how many challenges are issued in a calendar month (UTC, by
	// Clock); more are quota_exceeded (429). Issuing counts, solving does not:
	// the last challenge of a month can still be handed in. 0 is no limit.
	Quota int

	// SingleUse makes a token good for one call of /token/verify. The API's page
	// advises to reuse tokens, others of the vendor's call them single-use.
	SingleUse bool

	VerifyShape VerifyShape // how /token/verify answers; 0 is ShapeDocs
	Hostname    string      // reported by /token/verify in ShapeDocs; "" is "localhost"

	SigningKey []byte           // HMAC key of the tokens; nil is 32 random bytes
	Clock      func() time.Time // also sent as the Date header; nil is time.Now

	GKTinc GKTincOptions // for the paths of GuardianKey GKTinc
}

// A Service answers as the API does. It is safe for concurrent use. Its memory
// is bounded: it forgets what has expired, and remembers at most the latest
// 16,384 challenges, and as many used tokens.
type Service struct {
	options    Options // as given, zero values replaced
	secretHash [sha256.Size]byte
	siteHash   [sha256.Size]byte

	mu         sync.Mutex // guards what follows
	difficulty int
	disabled   bool
	rate       window
	quota      month
	challenges expiring[challenge]
	spent      expiring[struct{}] // identifiers of used tokens, with SingleUse
	counts     Counts

	gktincFault GKTincFault
	gktincSpent expiring[struct{}] // values of once, with GKTincOptions.SingleUse
}

// Counts are numbers of events since New.
type Counts struct {
	Challenges    int // challenges issued
	Verifies      int // requests to /m2m/verify with the right keys, whatever the outcome
	Tokens        int // tokens issued
	TokenVerifies int // requests to /token/verify with the right secret, whatever the verdict

	GKTincLevels      int // levels given
	GKTincValidations int // requests to validate_challenge with the right key, whatever the action
}

// New returns a service. It panics if a duration or limit is negative, or the
// difficulty is neither NoWork nor 0 to 64, or if GKTincOptions cannot be.
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
	if o.ChallengeLifetime < 0 || o.TokenLifetime < 0 || o.RateWindow < 0 || o.RateLimit < 0 || o.Quota < 0 {
		panic("gktest: a lifetime, window or limit is negative")
	}
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

func or[T comparable](value, zero T) T {
	var none T
	if value == none {
		return zero
	}
	return value
}

// SetDifficulty changes the difficulty of challenges issued from now on: 0 (or
// NoWork) to 64 hex digits, 0 meaning 0. It panics outside that range.
func (s *Service) SetDifficulty(digits int) {
	if digits == NoWork {
		digits = 0
	}
	if digits < 0 || digits > maxDifficulty {
		panic(fmt.Sprintf("gktest: difficulty %d is not 0 to %d hex digits", digits, maxDifficulty))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.difficulty = digits
}

// SetM2MDisabled switches the /m2m paths off (m2m_disabled) or on.
func (s *Service) SetM2MDisabled(disabled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled = disabled
}

// Counts returns what has happened so far.
func (s *Service) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// ServeHTTP answers one request. Every answer is JSON and carries a Date header
// by Options.Clock. Besides the documented errors there are, each as
// {"success":false,"error":code}: not_found (404), method_not_allowed (405),
// unsupported_media_type (415), payload_too_large (413, above 64 KiB) and
// bad_request (400: not one JSON object, or a field missing or of a wrong type).
// Those of GKTinc, whose page documents none, are invalid_key (403) and
// invalid_FIELD (400), with "field" for a field that is not known.
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
	body, refused := readObject(w, r)
	if refused != nil {
		refused.send(w, now)
		return
	}
	handle(r, body, now).send(w, now)
}

// keysMatch compares without telling by its duration how much of a key is right.
func (s *Service) keysMatch(siteKey, secretKey string) bool {
	site := sha256.Sum256([]byte(siteKey))
	return subtle.ConstantTimeCompare(site[:], s.siteHash[:])&s.secretMatches(secretKey) == 1
}

func (s *Service) secretMatches(secretKey string) int {
	secret := sha256.Sum256([]byte(secretKey))
	return subtle.ConstantTimeCompare(secret[:], s.secretHash[:])
}
