//go:build unix

package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/client/gktest/devtools"
	"github.com/gkpow/gkpow/client/gktinc"
)

// TestInteropBrowser uses the login page in a browser, as a visitor does. If
// GKPOW_TEST_SCREENSHOT names a file, it saves a screenshot there.
func TestInteropBrowser(t *testing.T) {
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
	var mu sync.Mutex
	var solved []gktest.GKTincValidation
	action := "ACCEPT"
	service := gktest.New(gktest.Options{GKTinc: gktest.GKTincOptions{SingleUse: true, Judge: func(v gktest.GKTincValidation) string {
		mu.Lock()
		defer mu.Unlock()
		solved = append(solved, v)
		if gktest.JudgeSolution(v) != "ACCEPT" {
			return "INVALID"
		}
		return action
	}}})
	emulator := httptest.NewServer(service)
	defer emulator.Close()
	var forms []string // bodies of the forms received
	var pages http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.Method == http.MethodPost {
			mu.Lock()
			forms = append(forms, string(body))
			mu.Unlock()
		}
		pages.ServeHTTP(w, r)
	}))
	defer server.Close()
	loginURL := server.URL + "/login"
	var err error
	pages, err = site(gktinc.Config{
		URL: emulator.URL, APIKey: client.NewSecret(gktest.GKTincAPIKey), HashID: gktest.GKTincHashID,
	}, strings.TrimPrefix(loginURL, "http://"), emulator.URL+gktest.StandInPath)
	require.NoError(t, err)

	b := devtools.Start(t)
	p := b.NewTab()
	submit := func(password string) {
		p.Enter("username", "alice")
		p.Enter("password", password)
		p.Click("button")
	}
	p.Open(loginURL)
	config, _ := p.Eval("JSON.stringify(gktinc_config)").(string)
	var shown gktinc.PageConfig
	require.NoError(t, json.Unmarshal([]byte(config), &shown))
	require.Equal(t, "127.0.0.1", shown.ClientIP)
	require.NotEmpty(t, shown.Sign)
	if file := os.Getenv("GKPOW_TEST_SCREENSHOT"); file != "" {
		p.Enter("username", "alice")
		p.Screenshot(file)
		p.Open(loginURL)
	}

	// A wrong password leads to a new page, which accepts the right one.
	submit("looking-glass")
	p.Wait(`document.body.innerText.includes("password is wrong")`)
	require.Contains(t, p.ConsoleErrors(), "401")
	submit("wonderland")
	p.Wait(`document.body.innerText.trim() == "welcome, alice"`)
	require.Empty(t, p.ConsoleErrors())
	mu.Lock()
	require.Len(t, solved, 2)
	require.NotEqual(t, solved[0].Once, solved[1].Once)
	for _, v := range solved {
		require.Equal(t, "alice", v.FormInputElementValue)
		require.Equal(t, shown.URL, v.URL)
		require.Equal(t, 3, v.ChallengeLevel)
		require.Contains(t, v.UserAgent, "Chrome")
		require.Contains(t, v.SecCHUA, "Chromium", "browsers send it to secure origins, which include loopback")
		var played struct{ Once, URL string }
		data, err := base64.StdEncoding.DecodeString(v.Solution)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &played))
		require.Equal(t, v.Once, played.Once, "the script got a different once")
		require.Equal(t, v.URL, played.URL)
	}
	last := forms[len(forms)-1]
	mu.Unlock()

	// The same form is rejected without asking the service, however it is sent again.
	before := service.Counts().GKTincValidations
	answer, err := http.Post(loginURL, "application/x-www-form-urlencoded", strings.NewReader(last))
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusForbidden, answer.StatusCode)
	p.Do("Page.reload", devtools.Object{}, nil)
	p.Wait(`document.querySelector("[role=alert]")?.innerText.includes("had been sent before")`)
	require.Contains(t, p.ConsoleErrors(), "403")
	mu.Lock()
	require.Equal(t, last, forms[len(forms)-1], "the browser did not send the form again")
	mu.Unlock()
	require.Equal(t, before, service.Counts().GKTincValidations)

	// Two tabs do not interfere.
	other := b.NewTab()
	other.Open(loginURL)
	p.Open(loginURL)
	require.NotEqual(t, p.Eval("gktinc_config.once"), other.Eval("gktinc_config.once"))
	submit("wonderland")
	p.Wait(`document.body.innerText.trim() == "welcome, alice"`)
	other.Enter("username", "alice")
	other.Enter("password", "wonderland")
	other.Click("button")
	other.Wait(`document.body.innerText.trim() == "welcome, alice"`)
	require.Empty(t, p.ConsoleErrors()+other.ConsoleErrors())

	// Without the script there is no solution.
	p.Do("Emulation.setScriptExecutionDisabled", devtools.Object{"value": true}, nil)
	p.Open(loginURL)
	submit("wonderland")
	p.Wait(`document.querySelector("[role=alert]")?.innerText.includes("allow JavaScript")`)
	p.Do("Emulation.setScriptExecutionDisabled", devtools.Object{"value": false}, nil)
	mu.Lock()
	fields, err := url.ParseQuery(forms[len(forms)-1])
	require.NoError(t, err)
	require.NotEmpty(t, fields.Get("gktinc_once"))
	require.NotContains(t, fields, "gktinc_solution")
	action = "BLOCK"
	mu.Unlock()
	require.Contains(t, p.ConsoleErrors(), "403")

	// The service can deny a form.
	p.Open(loginURL)
	submit("wonderland")
	p.Wait(`document.querySelector("[role=alert]")?.innerText.includes("Please try again")`)
	if file := os.Getenv("GKPOW_TEST_SCREENSHOT"); file != "" {
		p.Screenshot(strings.TrimSuffix(file, ".png") + "-refused.png")
	}

	// The new page in the response works.
	mu.Lock()
	action = "ACCEPT"
	mu.Unlock()
	submit("wonderland")
	p.Wait(`document.body.innerText.trim() == "welcome, alice"`)
}
