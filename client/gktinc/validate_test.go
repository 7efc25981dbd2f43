package gktinc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/internal/leaktest"
)

// says returns a handler that always gives the same response.
func says(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func saysJSON(status int, body string, header ...string) http.HandlerFunc {
	return says(status, "application/json", body, header...)
}

var allPolicies = []Policy{Closed, OpenOnOutage, Open}

// requireConsistent checks what Validate promises about every verdict and error.
func requireConsistent(t testing.TB, policy Policy, verdict Verdict, err error) {
	t.Helper()
	leaktest.RequireSafe(t, verdict, gktest.GKTincAPIKey)
	leaktest.RequireSafe(t, err, gktest.GKTincAPIKey)
	switch {
	case verdict.Reason == "":
		t.Fatalf("%+v: no reason", verdict)
	case err != nil && (verdict.Allowed || verdict.Err != err):
		t.Fatalf("%+v with error %v", verdict, err)
	case verdict.Reason == ReasonAction && (verdict.Degraded || verdict.Err != nil || verdict.Allowed != verdict.Action.Accepts() || err != nil):
		t.Fatalf("%+v: the service did not decide this", verdict)
	case verdict.Reason != ReasonAction && verdict.Err == nil:
		t.Fatalf("%+v: no Err", verdict)
	case verdict.Degraded != (verdict.Reason != ReasonAction && verdict.Reason != ReasonError):
		t.Fatalf("%+v: Degraded contradicts Reason", verdict)
	case verdict.Degraded && verdict.Allowed && policy == Closed:
		t.Fatalf("%+v: the policy is Closed", verdict)
	}
	if err != nil {
		failure := new(client.Error)
		require.ErrorAs(t, err, &failure)
		require.Equal(t, "gktinc/validate", failure.Op)
	}
}

func TestActions(t *testing.T) {
	for action, want := range map[string]struct {
		action Action
		reason Reason
		allow  []Policy
	}{
		`"ACCEPT"`:                            {ActionAccept, ReasonAction, allPolicies},
		`"VALID"`:                             {ActionValid, ReasonAction, allPolicies},
		`"NOTIFY"`:                            {ActionNotify, ReasonAction, allPolicies},
		`" accept\n"`:                         {ActionAccept, ReasonAction, allPolicies},
		`"Valid"`:                             {ActionValid, ReasonAction, allPolicies},
		`"BLOCK"`:                             {ActionBlock, ReasonAction, nil},
		`"INVALID"`:                           {ActionInvalid, ReasonAction, nil},
		`"block "`:                            {ActionBlock, ReasonAction, nil},
		`"\tinvalid"`:                         {ActionInvalid, ReasonAction, nil},
		`"val\u0131d"`:                        {"valıd", ReasonUnknownAction, []Policy{Open}}, // its Unicode upper case is VALID
		`"\u00a0VALID"`:                       {"?VALID", ReasonUnknownAction, []Policy{Open}},
		`"CHALLENGE"`:                         {"CHALLENGE", ReasonUnknownAction, []Policy{Open}},
		`"ACCEPTED"`:                          {"ACCEPTED", ReasonUnknownAction, []Policy{Open}},
		`"ACCEPT,VALID"`:                      {"ACCEPT,VALID", ReasonUnknownAction, []Policy{Open}},
		`""`:                                  {"", ReasonUnknownAction, []Policy{Open}},
		`null`:                                {"", ReasonUnknownAction, []Policy{Open}},
		`true`:                                {"", ReasonUnknownAction, []Policy{Open}},
		`["ACCEPT"]`:                          {"", ReasonUnknownAction, []Policy{Open}},
		`{"a":1}`:                             {"", ReasonUnknownAction, []Policy{Open}},
		`1`:                                   {"1", ReasonUnknownAction, []Policy{Open}},
		`"` + gktest.GKTincAPIKey + `\u001b"`: {"[redacted]?", ReasonUnknownAction, []Policy{Open}},
	} {
		for _, policy := range allPolicies {
			c := clientOf(t, saysJSON(200, `{"action":`+action+`,"score":"1.5"}`), func(c *Config) { c.Policy = policy })
			verdict, err := c.Validate(t.Context(), submitted())
			requireConsistent(t, policy, verdict, err)
			require.Equal(t, want.action, verdict.Action, action)
			require.Equal(t, want.reason, verdict.Reason, action)
			require.Equal(t, slices.Contains(want.allow, policy), verdict.Allowed, "%s %v", action, policy)
			require.Equal(t, want.reason == ReasonUnknownAction && !verdict.Allowed, err != nil, "%s %v: %v", action, policy, err)
			require.InEpsilon(t, 1.5, *verdict.Score, 0)
			require.False(t, verdict.Ambiguous)
		}
	}
	c := clientOf(t, saysJSON(200, `{"score":0}`))
	_, err := c.Validate(t.Context(), submitted())
	require.ErrorIs(t, err, client.ErrUnavailable, "no action")
}

// A denial counts, whatever else the response contains. Any other action does not count in
// a response that reports a failure.
func TestActionOfAFailure(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		reason Reason
		allow  []Policy
	}{
		{200, `{"success":false,"action":"BLOCK"}`, ReasonAction, nil},
		{200, `{"success":false,"action":"invalid","error":"spent"}`, ReasonAction, nil},
		{500, `{"success":false,"action":"BLOCK"}`, ReasonAction, nil},
		{429, `{"action":"BLOCK"}`, ReasonAction, nil},
		{200, `{"action":"BLOCK","action":"ACCEPT"}`, ReasonAction, nil},
		{200, `{"action":"ACCEPT","action":"block"}`, ReasonAction, nil},
		{200, `{"action":"ACCEPT","data":{"x":[{"Action":"INVALID"}]}}`, ReasonAction, nil},
		{200, `{"success":true,"data":{"action":"BLOCK"}}`, ReasonAction, nil},
		{200, `{"action":["ACCEPT","BLOCK"]}`, ReasonAction, nil},
		{200, `{"action":"ACCEPT","reason":"BLOCK","x":{"y":"INVALID"},"z":["action","BLOCK"]}`, ReasonAction, allPolicies},
		{200, `{"success":false,"action":"ACCEPT"}`, ReasonUnavailable, []Policy{OpenOnOutage, Open}},
		{200, `{"success":"true","action":"ACCEPT"}`, ReasonUnavailable, []Policy{OpenOnOutage, Open}},
		{200, `{"action":"ACCEPT","error":"internal"}`, ReasonUnavailable, []Policy{OpenOnOutage, Open}},
		{200, `{"action":"ACCEPT","success":true,"error":"","errors":[]}`, ReasonAction, allPolicies},
		{500, `{"action":"ACCEPT"}`, ReasonUnavailable, []Policy{OpenOnOutage, Open}},
		{403, `{"success":false,"action":"BLOCK"}`, ReasonError, nil}, // a wrong key must not look like a verdict
	} {
		for _, policy := range allPolicies {
			c := clientOf(t, saysJSON(test.status, test.body), func(c *Config) { c.Policy = policy })
			verdict, err := c.Validate(t.Context(), submitted())
			requireConsistent(t, policy, verdict, err)
			require.Equal(t, test.reason, verdict.Reason, "%d %s %v", test.status, test.body, policy)
			require.Equal(t, slices.Contains(test.allow, policy), verdict.Allowed, "%d %s %v", test.status, test.body, policy)

			_, verdict, _ = c.CheckLevel(t.Context(), visitor)
			require.Equal(t, slices.Contains(test.allow, policy), verdict.Allowed, "%d %s %v", test.status, test.body, policy)
		}
	}
}

func TestMissingSolution(t *testing.T) {
	for _, policy := range allPolicies {
		var sent recorded
		reported := 0
		c := clientOf(t, &sent, func(c *Config) { c.Policy, c.OnDegraded = policy, func(error) { reported++ } })
		v := submitted()
		v.Solution = ""
		verdict, err := c.Validate(t.Context(), v)
		require.NoError(t, err)
		requireConsistent(t, policy, verdict, err)
		require.Equal(t, ReasonMissingSolution, verdict.Reason)
		require.Equal(t, policy == Open, verdict.Allowed)
		require.Equal(t, policy == Open, reported == 1)
		require.ErrorIs(t, verdict.Err, client.ErrRejected)
		require.ErrorContains(t, verdict.Err, "gktinc_solution")
		require.Empty(t, sent.requests, "the service was asked")
	}
}

// Every policy denies a validation that cannot be sent.
func TestValidationIsRejected(t *testing.T) {
	for want, change := range map[string]func(*Validation){
		"address is missing": func(v *Validation) { v.ClientIP = netip.Addr{} },
		"host and path":      func(v *Validation) { v.URL = "/login" },
		"once is missing":    func(v *Validation) { v.Once = "" },
		"size is -1":         func(v *Validation) { v.FormPayloadSize = -1 },
	} {
		for _, policy := range allPolicies {
			var sent recorded
			c := clientOf(t, &sent, func(c *Config) { c.Policy = policy })
			for _, solution := range []string{"AAAA", ""} {
				v := submitted()
				v.Solution = solution
				change(&v)
				verdict, err := c.Validate(t.Context(), v)
				require.ErrorIs(t, err, client.ErrRejected)
				require.ErrorContains(t, err, want)
				requireConsistent(t, policy, verdict, err)
				require.False(t, verdict.Allowed)
			}
			require.Empty(t, sent.requests)
		}
	}
	_, err := clientOf(t, nil).ChallengeLevel(t.Context(), netip.Addr{})
	require.ErrorIs(t, err, client.ErrRejected)
}

// A visitor who has disconnected is not admitted.
func TestContextEnds(t *testing.T) {
	for _, policy := range allPolicies {
		service := gktest.New(gktest.Options{GKTinc: gktest.GKTincOptions{Fault: gktest.GKTincFault{Delay: time.Minute}}})
		c := clientOf(t, service, func(c *Config) { c.Policy, c.MaxRetries = policy, 0 })
		for _, kind := range []error{context.Canceled, context.DeadlineExceeded} {
			ctx, cancel := context.WithCancel(t.Context())
			if kind == context.DeadlineExceeded {
				ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
			} else {
				time.AfterFunc(20*time.Millisecond, cancel)
			}
			verdict, err := c.Validate(ctx, submitted())
			require.ErrorIs(t, err, kind)
			requireConsistent(t, policy, verdict, err)
			require.False(t, verdict.Allowed)
			_, err = c.ChallengeLevel(ctx, visitor)
			require.ErrorIs(t, err, kind)
			cancel()
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	service := gktest.New(gktest.Options{})
	c := clientOf(t, service)
	done := make(chan error, 50)
	for range cap(done) {
		go func() {
			_, err := c.ChallengeLevel(t.Context(), visitor)
			verdict, err2 := c.Validate(t.Context(), submitted())
			if !verdict.Allowed {
				err2 = errors.Join(err2, errors.New("denied"))
			}
			done <- errors.Join(err, err2)
		}()
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
	require.Equal(t, cap(done), service.Counts().GKTincValidations)
}
