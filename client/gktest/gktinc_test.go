package gktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	levelPath    = "/v3/tinc/gktinctest/get_challenge_level/203.0.113.10"
	validatePath = "/v3/tinc/gktinctest/validate_challenge"
)

var apiKey = []string{"X-API-Key", "gktinc-test-key"}

// getLevel requests a level as documented and returns the fields of the response.
func getLevel(s *Service, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// validation returns the documented payload with changes. A nil value removes a field.
func validation(changes map[string]any) string {
	fields := map[string]any{
		"agent_id":                 "gktinc-php-sdk-WordPress",
		"gktinc_solution":          "QUFBQQ==",
		"salt":                     "0b752c2ac96b3b829538da7cc2df63ed27b4f5da",
		"client_ip":                "203.0.113.10",
		"url":                      "example.com/wp-login.php",
		"once":                     "SESSION_ID",
		"form_payload_size":        123,
		"form_input_element_value": "username",
		"time":                     1_700_000_000,
		"challenge_level":          3,
	}
	maps.Copy(fields, changes)
	maps.DeleteFunc(fields, func(_ string, value any) bool { return value == nil })
	encoded, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(encoded)
}

// The responses equal the examples in the documents, except for the sign.
func TestGKTincAnswers(t *testing.T) {
	var judged []GKTincValidation
	s := New(Options{Clock: newClock().Now, GKTinc: GKTincOptions{Judge: func(v GKTincValidation) string {
		judged = append(judged, v)
		return JudgeSolution(v)
	}}})
	w := getLevel(s, levelPath, append(apiKey, "Content-Type", "application/json")...)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Regexp(t, `^{"action":"ACCEPT","challenge_level":3,"sign":"[0-9a-f]{64}","client_ip":"203.0.113.10","country":"BR","city":"Sao Paulo"}\n$`, w.Body.String())

	w, fields := post(t, s, validatePath, validation(nil), apiKey...)
	require.Equal(t, http.StatusOK, w.Code, fields)
	require.JSONEq(t, `{"action":"ACCEPT","score":0,"ip_policy":"not_listed","country":"BR","city":"Sao Paulo"}`, w.Body.String())
	require.Equal(t, []GKTincValidation{{
		AgentID: "gktinc-php-sdk-WordPress", Solution: "QUFBQQ==", URL: "example.com/wp-login.php", Once: "SESSION_ID",
		FormInputElementValue: "username", ClientIP: netip.MustParseAddr("203.0.113.10"), FormPayloadSize: 123,
		Time: time.Unix(1_700_000_000, 0), ChallengeLevel: 3,
	}}, judged)
	require.Equal(t, Counts{GKTincLevels: 1, GKTincValidations: 1}, s.Counts())

	_, fields = post(t, s, validatePath, validation(map[string]any{
		"challenge_level": nil, "user_agent": "a", "sec_ch_ua": "b", "sec_ch_ua_mobile": "c", "sec_ch_ua_platform": "d",
		"client_ip": "2001:db8::1", "url": "[::1]:8080/", "form_payload_size": 0, "form_input_element_value": "", "time": 1_700_000_300,
	}), apiKey...)
	require.Equal(t, "ACCEPT", fields["action"], fields)
	require.Equal(t, []string{"a", "b", "c", "d"}, []string{judged[1].UserAgent, judged[1].SecCHUA, judged[1].SecCHUAMobile, judged[1].SecCHUAPlatform})
	require.Zero(t, judged[1].ChallengeLevel)
}

func TestGKTincChecksEveryField(t *testing.T) {
	s := New(Options{Clock: newClock().Now})
	for name, values := range map[string][]any{
		"agent_id":                 {nil, "", 1, true},
		"gktinc_solution":          {nil, 1, []string{"AAAA"}},
		"salt":                     {nil, "", "0B752C2AC96B3B829538DA7CC2DF63ED27B4F5DA", "gktinc-test-keygktinctest", 1},
		"client_ip":                {nil, "", "203.0.113.10:80", "[2001:db8::1]", "fe80::1%eth0", " 203.0.113.10", "localhost", 1},
		"url":                      {nil, "", "https://example.com/", "example.com", "/login", "example.com/?a", "example.com/#a", "example.com/a b", "u@example.com/", "example.com:/", 1},
		"once":                     {nil, "", 1},
		"form_payload_size":        {nil, "123", -1, 1.5, true, 1e300},
		"form_input_element_value": {nil, 1},
		"time":                     {nil, "1700000000", 1_700_000_301, 1_699_999_699, int64(1_700_000_000_000), -1, 1.5},
		"challenge_level":          {"3", 0, -1, 1.5, false},
		"user_agent":               {1},
		"sec_ch_ua":                {1},
		"sec_ch_ua_mobile":         {false},
		"sec_ch_ua_platform":       {[]string{}},
	} {
		for _, value := range values {
			w, fields := post(t, s, validatePath, validation(map[string]any{name: value}), apiKey...)
			requireError(t, w, fields, http.StatusBadRequest, "invalid_"+name)
		}
		w, fields := post(t, s, validatePath, strings.Replace(validation(map[string]any{name: "x"}), `"`+name+`":"x"`, `"`+name+`":null`, 1), apiKey...)
		requireError(t, w, fields, http.StatusBadRequest, "invalid_"+name)
	}
	w, fields := post(t, s, validatePath, validation(map[string]any{"Once": "x"}), apiKey...)
	requireError(t, w, fields, http.StatusBadRequest, "invalid_field")
}

func TestGKTincRefusals(t *testing.T) {
	s := New(Options{Clock: newClock().Now})
	json := []string{"Content-Type", "application/json"}
	for _, test := range []struct {
		path   string
		header []string
		status int
		code   string
	}{
		{levelPath, json, 403, "invalid_key"},
		{levelPath, append(json, "X-API-Key", "wrong"), 403, "invalid_key"},
		{levelPath, apiKey, 415, "unsupported_media_type"},
		{levelPath + "?a=b", append(json, apiKey...), 404, "not_found"},
		{levelPath + "/", append(json, apiKey...), 404, "not_found"},
		{"/v3/tinc/other/get_challenge_level/203.0.113.10", append(json, apiKey...), 404, "not_found"},
		{"/v3/tinc/gktinctest/get_challenge_level", append(json, apiKey...), 404, "not_found"},
		{"/v3/tinc/gktinctest/get_challenge_level/", append(json, apiKey...), 400, "invalid_client_ip"},
		{"/v3/tinc/gktinctest/get_challenge_level/x", append(json, apiKey...), 400, "invalid_client_ip"},
		{"/v3/tinc/gktinctest/get_challenge_level/fe80::1%25eth0", append(json, apiKey...), 400, "invalid_client_ip"},
		{"/v3/tinc/gktinctest/other", append(json, apiKey...), 404, "not_found"},
		{"/v3/tinc", append(json, apiKey...), 404, "not_found"},
		{validatePath, append(json, apiKey...), 405, "method_not_allowed"},
	} {
		w := getLevel(s, test.path, test.header...)
		require.Equal(t, test.status, w.Code, test)
		require.JSONEq(t, fmt.Sprintf(`{"success":false,"error":%q}`, test.code), w.Body.String(), test)
	}
	w, fields := post(t, s, levelPath, "{}", apiKey...)
	requireError(t, w, fields, http.StatusMethodNotAllowed, "method_not_allowed")
	require.Equal(t, http.MethodGet, w.Header().Get("Allow"))
	w, fields = post(t, s, validatePath, validation(nil))
	requireError(t, w, fields, http.StatusForbidden, "invalid_key")
	w, fields = post(t, s, validatePath, "[]", apiKey...)
	requireError(t, w, fields, http.StatusBadRequest, "bad_request")
	require.Equal(t, Counts{}, s.Counts())
}

func TestGKTincSwitches(t *testing.T) {
	action := func(s *Service, changes map[string]any) any {
		_, fields := post(t, s, validatePath, validation(changes), apiKey...)
		return fields["action"]
	}
	s := New(Options{Clock: newClock().Now})
	for solution, want := range map[string]string{"AAAA": "ACCEPT", "AA==": "ACCEPT", "": "INVALID", "AAA": "INVALID", "not base64": "INVALID", "====": "INVALID", "_-8=": "INVALID"} {
		require.Equal(t, want, action(s, map[string]any{"gktinc_solution": solution}), solution)
	}
	require.Equal(t, "ACCEPT", action(s, nil), "once is not single-use by default")
	for _, want := range []any{"VALID", "NOTIFY", "BLOCK", "INVALID", "whatever", nil} {
		s := New(Options{Clock: newClock().Now, GKTinc: GKTincOptions{Judge: func(GKTincValidation) string { a, _ := want.(string); return a }}})
		require.Equal(t, want, action(s, nil))
	}

	c := newClock()
	s = New(Options{Clock: c.Now, GKTinc: GKTincOptions{SingleUse: true, MaxSkew: 2 * time.Hour}})
	require.Equal(t, "INVALID", action(s, map[string]any{"gktinc_solution": "x"}))
	require.Equal(t, "ACCEPT", action(s, nil), "a rejected request does not use once up")
	require.Equal(t, "INVALID", action(s, nil))
	require.Equal(t, "ACCEPT", action(s, map[string]any{"once": "other"}))
	c.advance(time.Hour)
	require.Equal(t, "ACCEPT", action(s, nil))

	s = New(Options{GKTinc: GKTincOptions{APIKey: "k", HashID: "a b", Level: 7, LevelAction: "BLOCK"}})
	w := getLevel(s, "/v3/tinc/a%20b/get_challenge_level/::1", "X-API-Key", "k", "Content-Type", "application/json")
	require.Contains(t, w.Body.String(), `"action":"BLOCK","challenge_level":7,`)
	for _, o := range []GKTincOptions{{Level: -1}, {MaxSkew: -1}, {Fault: GKTincFault{Delay: -1}}, {Fault: GKTincFault{Status: 100}}} {
		require.Panics(t, func() { New(Options{GKTinc: o}) })
	}
}

func TestGKTincFaults(t *testing.T) {
	s := New(Options{GKTinc: GKTincOptions{Fault: GKTincFault{Status: 503}}})
	ask := func() *httptest.ResponseRecorder {
		return getLevel(s, levelPath, append(apiKey, "Content-Type", "application/json")...)
	}
	require.Equal(t, 503, ask().Code)
	s.SetGKTincFault(GKTincFault{HTML: true})
	require.Equal(t, 200, ask().Code)
	require.Contains(t, ask().Header().Get("Content-Type"), "text/html")
	s.SetGKTincFault(GKTincFault{HTML: true, Status: 502})
	require.Equal(t, 502, ask().Code)
	s.SetGKTincFault(GKTincFault{})
	require.Equal(t, Counts{}, s.Counts())
	require.Equal(t, 200, ask().Code)
	require.Panics(t, func() { s.SetGKTincFault(GKTincFault{Status: 600}) })
	synctest.Test(t, func(t *testing.T) {
		s.SetGKTincFault(GKTincFault{Delay: 3 * time.Second})
		start := time.Now()
		require.Equal(t, 200, ask().Code)
		require.Equal(t, 3*time.Second, time.Since(start))
	})

	// The delay ends when the client disconnects, and the handler still gets the body.
	s.SetGKTincFault(GKTincFault{Delay: time.Hour})
	server := httptest.NewServer(s)
	defer server.Close()
	client := server.Client()
	client.Timeout = 50 * time.Millisecond
	_, err := client.Post(server.URL+validatePath, "application/json", strings.NewReader(validation(nil)))
	require.Error(t, err)
	server.Close() // waits for the handler
	s.SetGKTincFault(GKTincFault{Delay: time.Millisecond})
	_, fields := post(t, s, validatePath, validation(map[string]any{"time": time.Now().Unix()}), apiKey...)
	require.Equal(t, "ACCEPT", fields["action"], fields)
}

func TestGKTincConcurrentUse(t *testing.T) {
	s := New(Options{Clock: newClock().Now, GKTinc: GKTincOptions{SingleUse: true}})
	var wait sync.WaitGroup
	accepted := make(chan struct{}, 100)
	for range cap(accepted) {
		wait.Go(func() {
			if _, fields := post(t, s, validatePath, validation(nil), apiKey...); fields["action"] == "ACCEPT" {
				accepted <- struct{}{}
			}
		})
	}
	wait.Wait()
	require.Len(t, accepted, 1)
	require.Equal(t, 100, s.Counts().GKTincValidations)
}
