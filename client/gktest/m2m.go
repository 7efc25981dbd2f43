package gktest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A challenge is what the service remembers about a challenge that it issued.
type challenge struct {
	salt       string
	difficulty int // hex digits
}

// challengeReply is gkCAPTCHA M2M API, "1. Request a Challenge", Response (200).
type challengeReply struct {
	ChallengeID string `json:"challengeId"`
	Salt        string `json:"salt"`
	Nonce       string `json:"nonce"` // not part of the puzzle
	Difficulty  int    `json:"difficulty"`
	ExpiresAt   int64  `json:"expiresAt"` // Unix seconds
}

// tokenReply is gkCAPTCHA M2M API, "Verify Response".
type tokenReply struct {
	Success   bool   `json:"success"`
	Token     string `json:"token"`
	ExpiresAt int64  `json:"expiresAt"` // Unix seconds
}

func (s *Service) issueChallenge(_ *http.Request, body object, now time.Time) reply {
	rejection := s.authenticate(body)
	if rejection != nil {
		return *rejection
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if rejection := s.admit(now); rejection != nil {
		return *rejection
	}
	if !s.quota.take(now, s.options.Quota) {
		return refuse(http.StatusTooManyRequests, "quota_exceeded")
	}
	id, salt := randomHex(), randomHex()
	expires := wholeSecond(now.Add(s.options.ChallengeLifetime))
	s.challenges.add(now, id, challenge{salt: salt, difficulty: s.difficulty}, expires)
	s.counts.Challenges++
	return reply{status: http.StatusOK, body: challengeReply{
		ChallengeID: id,
		Salt:        salt,
		Nonce:       "server-seed",
		Difficulty:  s.difficulty,
		ExpiresAt:   expires.Unix(),
	}}
}

// verifySolution removes the challenge before it checks the solution, so any
// well-formed attempt uses the challenge up, even a wrong one. Every later attempt gets
// challenge_expired.
func (s *Service) verifySolution(_ *http.Request, body object, now time.Time) reply {
	id, idOK := body.text("challengeId")
	hash, hashOK := body.text("hash")
	nonce, nonceOK := body.nonce("nonce")
	if !idOK || !hashOK || !nonceOK || id == "" || hash == "" {
		return badRequest()
	}
	if rejection := s.authenticate(body); rejection != nil {
		return *rejection
	}
	c, found, rejection := s.takeChallenge(id, now)
	switch {
	case rejection != nil:
		return *rejection
	case !found:
		return refuse(http.StatusBadRequest, "challenge_expired")
	case !c.solvedBy(nonce, hash):
		return refuse(http.StatusBadRequest, "invalid_solution")
	}
	token, expires := s.sign(now)
	s.mu.Lock()
	s.counts.Tokens++
	s.mu.Unlock()
	return reply{status: http.StatusOK, body: tokenReply{Success: true, Token: token, ExpiresAt: expires.Unix()}}
}

func (s *Service) takeChallenge(id string, now time.Time) (c challenge, found bool, rejection *reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Verifies++
	if rejection := s.admit(now); rejection != nil {
		return challenge{}, false, rejection
	}
	c, found = s.challenges.take(now, id)
	return c, found, nil
}

// authenticate returns nil if both keys are right, and otherwise the error to answer.
func (s *Service) authenticate(body object) *reply {
	siteKey, siteOK := body.text("siteKey")
	secretKey, secretOK := body.text("secretKey")
	if !siteOK || !secretOK {
		return new(badRequest())
	}
	if !s.keysMatch(siteKey, secretKey) {
		return new(refuse(http.StatusUnauthorized, "invalid_key"))
	}
	return nil
}

// admit applies the checks that both /m2m paths make after the keys. It returns nil, or
// the error to answer. The caller holds s.mu.
func (s *Service) admit(now time.Time) *reply {
	if s.disabled {
		return new(refuse(http.StatusForbidden, "m2m_disabled"))
	}
	if wait, ok := s.rate.take(now, s.options.RateLimit, s.options.RateWindow); !ok {
		return new(rateLimited(wait))
	}
	return nil
}

// solvedBy applies the documented rule literally: the hash is the SHA-256 of
// salt + ":" + nonce in lower-case hex and starts with difficulty zeros.
func (c challenge) solvedBy(nonce uint64, hash string) bool {
	sum := sha256.Sum256([]byte(c.salt + ":" + strconv.FormatUint(nonce, 10)))
	return hash == hex.EncodeToString(sum[:]) && strings.HasPrefix(hash, strings.Repeat("0", c.difficulty))
}

// randomHex returns 16 random bytes as 32 hex digits.
func randomHex() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// wholeSecond rounds down to a Unix timestamp, so that an expiry time in the service
// is exactly the one that the client was told.
func wholeSecond(t time.Time) time.Time { return time.Unix(t.Unix(), 0) }
