package main

import (
	"strconv"
	"time"
)

// agentStatus is the body of GET /status.
type agentStatus struct {
	Version  string  `json:"version"`
	Kernel   string  `json:"kernel"`
	Uptime   float64 `json:"uptime"` // seconds
	Ready    bool    `json:"ready"`
	Tokens   int     `json:"tokens"`             // got since the start
	HashRate float64 `json:"hashRate,omitempty"` // of the latest search, hashes per second

	RenewsItself bool `json:"renewsItself"` // whether the agent renews its token without a request

	// Figures of the token in use, in seconds; omitted if there is none. After RenewsIn the
	// agent, or the first request, starts a renewal.
	Age       float64 `json:"age,omitempty"`
	RenewsIn  float64 `json:"renewsIn,omitempty"`
	ExpiresIn float64 `json:"expiresIn,omitempty"`

	Failures []agentFailure `json:"failures"` // the latest first
}

// An agentFailure is the reason that a request for a token, or a renewal, failed.
type agentFailure struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Message string    `json:"message"`
}

// rows returns the status as names and values for people.
func (s agentStatus) rows() [][2]string {
	seconds := func(n float64) string { return time.Duration(n * float64(time.Second)).Round(time.Second).String() }
	token := "none in use"
	renewal := "with the next request"
	if s.RenewsItself {
		renewal = "as soon as the service gives a token"
	}
	if s.ExpiresIn > 0 {
		token = "got " + seconds(s.Age) + " ago, expires in " + seconds(s.ExpiresIn)
		if s.RenewsItself {
			renewal = "in " + seconds(s.RenewsIn)
		} else if s.RenewsIn > 0 {
			renewal = "with the first request in " + seconds(s.RenewsIn) + " or later"
		}
	}
	rate := "no search yet"
	if s.HashRate > 0 {
		rate = strconv.FormatFloat(s.HashRate/1e6, 'f', 1, 64) + " MH/s in the latest search"
	}
	return [][2]string{
		{"token", token},
		{"next renewal", renewal},
		{"tokens so far", strconv.Itoa(s.Tokens)},
		{"kernel", s.Kernel},
		{"rate", rate},
		{"running for", seconds(s.Uptime)},
		{"version", s.Version},
	}
}
