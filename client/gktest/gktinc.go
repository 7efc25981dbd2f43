package gktest

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The GKTinc API key and hash id that a Service accepts by default.
const (
	GKTincAPIKey = "gktinc-test-key"
	GKTincHashID = "gktinctest"
)

// GKTincOptions configure the responses of a Service on the paths of GKTinc. The zero
// value accepts every request that has a solution.
type GKTincOptions struct {
	APIKey string // "" means the constant GKTincAPIKey
	HashID string // "" means the constant GKTincHashID

	Level       int    // challenge_level in the responses of get_challenge_level, above 0; 0 means 3
	LevelAction string // action in the responses of get_challenge_level; "" means ACCEPT

	// Judge returns the action for a validation whose fields are all valid; "" leaves
	// the action out of the response. The Service may call it concurrently. nil means
	// JudgeSolution.
	Judge func(GKTincValidation) string

	// SingleUse makes each value of once valid for one ACCEPT, VALID or NOTIFY; later
	// requests with it get INVALID. The Service remembers the latest 16,384 values of
	// the last hour. The documents do not say whether the real service does this.
	SingleUse bool

	// MaxSkew is the maximum difference between the field time and Options.Clock, in
	// either direction; 0 means 5 minutes.
	MaxSkew time.Duration

	Fault GKTincFault // the initial fault; see SetGKTincFault
}

// A GKTincFault makes the paths of GKTinc fail. The zero value is no fault.
type GKTincFault struct {
	Delay  time.Duration // pause before each response, unless the client disconnects
	Status int           // HTTP status to answer with, 200 to 599; 0 means no change
	HTML   bool          // answer with an HTML page, as proxies do, with Status or else 200
}

// A GKTincValidation is the content of a request to validate_challenge.
type GKTincValidation struct {
	AgentID, Solution, URL, Once, FormInputElementValue string     // as sent
	UserAgent, SecCHUA, SecCHUAMobile, SecCHUAPlatform  string     // as sent
	ClientIP                                            netip.Addr // the visitor's address
	FormPayloadSize                                     int        // in bytes
	Time                                                time.Time  // the field time, in whole seconds
	ChallengeLevel                                      int        // level of the page, 1 to 1000; 0 if absent
}

// JudgeSolution returns ACCEPT for anything that could be a solution, that is, standard
// base64, with padding, of at least one byte. It returns INVALID for anything else.
func JudgeSolution(v GKTincValidation) string {
	if data, err := base64.StdEncoding.DecodeString(v.Solution); err != nil || len(data) == 0 {
		return "INVALID"
	}
	return "ACCEPT"
}

func (o GKTincOptions) complete() GKTincOptions {
	o.APIKey = or(o.APIKey, GKTincAPIKey)
	o.HashID = or(o.HashID, GKTincHashID)
	o.Level = or(o.Level, 3)
	o.LevelAction = or(o.LevelAction, "ACCEPT")
	o.MaxSkew = or(o.MaxSkew, 5*time.Minute)
	if o.Judge == nil {
		o.Judge = JudgeSolution
	}
	panicIfNegative("GKTinc.Level", o.Level)
	panicIfNegative("GKTinc.MaxSkew", o.MaxSkew)
	o.Fault.check()
	return o
}

func (f GKTincFault) check() {
	panicIfNegative("GKTincFault.Delay", f.Delay)
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		panic(fmt.Sprintf("gktest: GKTincFault.Status is %d: set it to 200 to 599, or to 0 for no change", f.Status))
	}
}

// SetGKTincFault makes the paths of GKTinc fail from now on; the zero value ends the
// fault. It panics if the delay is negative or the status is neither 0 nor from 200 to
// 599.
func (s *Service) SetGKTincFault(f GKTincFault) {
	f.check()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gktincFault = f
}

// serveGKTinc answers GKTinc API Usage, "1) Get Challenge Level" and "2)
// Validate Challenge". The path is split at slashes and starts with "v3", "tinc".
func (s *Service) serveGKTinc(w http.ResponseWriter, r *http.Request, path []string, now time.Time) {
	s.mu.Lock()
	fault := s.gktincFault
	s.mu.Unlock()
	if fault.Delay > 0 {
		timer := time.NewTimer(fault.Delay)
		defer timer.Stop()
		// The server detects a disconnect only once the body has been read.
		data, _ := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
		r.Body = io.NopCloser(bytes.NewReader(data))
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case fault.HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(or(fault.Status, http.StatusOK))
		_, _ = io.WriteString(w, "<!doctype html><title>Sorry</title><p>This answer does not come from the API.")
	case fault.Status != 0:
		refuse(fault.Status, "fault").send(w, now)
	default:
		s.gktinc(w, r, path, now).send(w, now)
	}
}

func (s *Service) gktinc(w http.ResponseWriter, r *http.Request, path []string, now time.Time) reply {
	o := s.options.GKTinc
	switch {
	case len(path) < 4 || path[2] != o.HashID || r.URL.RawQuery != "":
		return refuse(http.StatusNotFound, "not_found")
	case !sameSecret(r.Header.Get("X-API-Key"), o.APIKey):
		return refuse(http.StatusForbidden, "invalid_key")
	case len(path) == 5 && path[3] == "get_challenge_level":
		return s.challengeLevel(w, r, path[4])
	case len(path) == 4 && path[3] == "validate_challenge":
		body, rejection := readObject(w, r)
		if rejection != nil {
			return *rejection
		}
		return s.validate(body, now)
	}
	return refuse(http.StatusNotFound, "not_found")
}

// sameSecret compares in constant time.
func sameSecret(a, b string) bool {
	first, second := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(first[:], second[:]) == 1
}

// levelReply is GKTinc API Usage, "1) Get Challenge Level", Response.
type levelReply struct {
	Action         string `json:"action"`
	ChallengeLevel int    `json:"challenge_level"`
	Sign           string `json:"sign"`
	ClientIP       string `json:"client_ip"`
	Country        string `json:"country"`
	City           string `json:"city"`
}

func (s *Service) challengeLevel(w http.ResponseWriter, r *http.Request, ip string) reply {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		return refuse(http.StatusMethodNotAllowed, "method_not_allowed")
	}
	if r.Header.Get("Content-Type") != "application/json" { // documented, although a GET has no body
		return refuse(http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	if _, ok := bareIP(ip); !ok {
		return refuse(http.StatusBadRequest, "invalid_client_ip")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.GKTincLevels++
	o := s.options.GKTinc
	sign := sha256.Sum256([]byte(o.APIKey + "\n" + ip + "\n" + strconv.Itoa(o.Level)))
	return reply{status: http.StatusOK, body: levelReply{
		Action:         o.LevelAction,
		ChallengeLevel: o.Level,
		Sign:           hex.EncodeToString(sign[:]),
		ClientIP:       ip,
		Country:        "BR",
		City:           "Sao Paulo",
	}}
}

// bareIP parses an address without port, brackets, zone or white space.
func bareIP(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	return ip, err == nil && ip.Zone() == ""
}

// validationReply is GKTinc API Usage, "2) Validate Challenge", Response.
type validationReply struct {
	Action   string `json:"action,omitempty"`
	Score    int    `json:"score"`
	IPPolicy string `json:"ip_policy"`
	Country  string `json:"country"`
	City     string `json:"city"`
}

func (s *Service) validate(body object, now time.Time) reply {
	v, wrong := s.readValidation(body, now)
	s.mu.Lock()
	s.counts.GKTincValidations++
	s.mu.Unlock()
	if wrong != "" {
		return refuse(http.StatusBadRequest, "invalid_"+wrong)
	}
	action := s.options.GKTinc.Judge(v)
	if s.options.GKTinc.SingleUse && slices.Contains([]string{"ACCEPT", "VALID", "NOTIFY"}, action) && s.onceIsSpent(v.Once, now) {
		action = "INVALID"
	}
	return reply{status: http.StatusOK, body: validationReply{
		Action:   action,
		IPPolicy: "not_listed",
		Country:  "BR",
		City:     "Sao Paulo",
	}}
}

// onceIsSpent reports whether once was used before, and marks it as used.
func (s *Service) onceIsSpent(once string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gktincSpent.alive(now, once) {
		return true
	}
	s.gktincSpent.add(now, once, struct{}{}, now.Add(time.Hour))
	return false
}

// validationFields are the documented fields of validate_challenge and the additional
// ones that the vendor's programs send.
var validationFields = []string{
	"agent_id", "gktinc_solution", "salt", "client_ip", "url", "once", "form_payload_size", "form_input_element_value",
	"time", "challenge_level", "user_agent", "sec_ch_ua", "sec_ch_ua_mobile", "sec_ch_ua_platform",
}

// readValidation decodes the fields of a request. wrong is the name of the first invalid
// field, "field" if there is an unknown one, and "" if all are valid.
func (s *Service) readValidation(body object, now time.Time) (v GKTincValidation, wrong string) {
	for name := range body.Object {
		if !slices.Contains(validationFields, name) {
			return v, "field"
		}
	}
	var salt, ip string
	for _, field := range []struct {
		name     string
		to       *string
		required bool
		empty    bool // may be empty
	}{
		{"agent_id", &v.AgentID, true, false},
		{"gktinc_solution", &v.Solution, true, true},
		{"salt", &salt, true, false},
		{"client_ip", &ip, true, false},
		{"url", &v.URL, true, false},
		{"once", &v.Once, true, false},
		{"form_input_element_value", &v.FormInputElementValue, true, true},
		{"user_agent", &v.UserAgent, false, true},
		{"sec_ch_ua", &v.SecCHUA, false, true},
		{"sec_ch_ua_mobile", &v.SecCHUAMobile, false, true},
		{"sec_ch_ua_platform", &v.SecCHUAPlatform, false, true},
	} {
		var ok bool
		if _, present := body.Object[field.name]; !present && field.required {
			return v, field.name
		}
		if *field.to, ok = body.text(field.name); !ok || *field.to == "" && !field.empty {
			return v, field.name
		}
	}
	o := s.options.GKTinc
	sum := sha1.Sum([]byte(o.APIKey + o.HashID))
	if salt != hex.EncodeToString(sum[:]) {
		return v, "salt"
	}
	var ok bool
	if v.ClientIP, ok = bareIP(ip); !ok {
		return v, "client_ip"
	}
	if !isPageURL(v.URL) {
		return v, "url"
	}
	size, ok := body.whole("form_payload_size")
	if v.FormPayloadSize = int(size); !ok {
		return v, "form_payload_size"
	}
	seconds, ok := body.whole("time")
	v.Time = time.Unix(seconds, 0)
	if !ok || v.Time.Sub(now).Abs() > o.MaxSkew {
		return v, "time"
	}
	if _, present := body.Object["challenge_level"]; present {
		level, ok := body.whole("challenge_level")
		if v.ChallengeLevel = int(level); !ok || level == 0 {
			return v, "challenge_level"
		}
	}
	return v, ""
}

// isPageURL reports whether s consists of a host and a path only.
func isPageURL(s string) bool {
	host, _, ok := strings.Cut(s, "/")
	u, err := url.Parse("https://" + s)
	return ok && err == nil && host != "" && u.Host == host && u.User == nil && !strings.ContainsAny(s, "?# ") &&
		!strings.HasSuffix(host, ":")
}
