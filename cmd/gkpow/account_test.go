package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
)

// goneURL has a port on which nothing listens.
func goneURL() string {
	server := httptest.NewServer(nil)
	defer server.Close()
	return server.URL
}

func TestDoctorExitCodes(t *testing.T) {
	for _, test := range []struct {
		name    string
		options gktest.Options
		url     string
		code    int
		stdout  string
	}{
		{"ok", gktest.Options{}, "", exitOK, "ok    plan "},
		{"clock behind", gktest.Options{Clock: func() time.Time { return time.Now().Add(time.Hour) }}, "", exitOK, " behind the service's"},
		{"clock ahead", gktest.Options{Clock: func() time.Time { return time.Now().Add(-time.Hour) }}, "", exitOK, " ahead of the service's"},
		{"disabled", gktest.Options{M2MDisabled: true}, "", exitCredentials, "FAIL  plan "},
		{"too hard", gktest.Options{Difficulty: 9}, "", exitRejected, "do: raise --max-difficulty"},
		{"nobody there", gktest.Options{}, goneURL(), exitNetwork, "FAIL  connection "},
		{"not encrypted", gktest.Options{}, "http://gkcaptcha.invalid", exitUsage, "FAIL  keys "},
	} {
		t.Run(test.name, func(t *testing.T) {
			u := newUser(t, test.options)
			if test.url != "" {
				u.url = test.url
			}
			code, stdout, stderr := u.run(t.Context(), "doctor")
			require.Equal(t, test.code, code, stdout+stderr)
			require.Contains(t, stdout, test.stdout)
			require.Contains(t, stdout, "time to solve", "checks that need no service still run")
			require.Equal(t, code == exitOK, !strings.Contains(stdout, "FAIL"))
			require.NotContains(t, stdout+stderr, "SENTINEL")
			require.Zero(t, u.service.Counts().Verifies, "doctor must not create a token")
		})
	}
	t.Run("quota", func(t *testing.T) {
		u := newUser(t, gktest.Options{Quota: 1})
		code, _, stderr := u.run(t.Context(), "doctor")
		require.Equal(t, exitOK, code, stderr)
		code, stdout, _ := u.run(t.Context(), "doctor")
		require.Equal(t, exitQuota, code)
		require.Contains(t, stdout, "FAIL  plan ")
	})
}

func TestVerifyExitCodes(t *testing.T) {
	u := newUser(t, gktest.Options{SingleUse: true})
	code, stdout, stderr := u.run(t.Context(), "token")
	require.Equal(t, exitOK, code, stderr)
	token := strings.TrimSpace(stdout)
	page := httptest.NewServer(answer(200, "text/html", "<html>"+secret))
	defer page.Close()
	for _, test := range []struct {
		name  string
		args  []string
		url   string
		code  int
		wants string
	}{
		{"good", []string{token}, u.url, exitOK, "ok\n"},
		{"used", []string{token}, u.url, exitRejected, ""},
		{"forged", []string{"eyJ.FORGED.x"}, u.url, exitRejected, ""},
		{"no token", []string{"-"}, u.url, exitUsage, ""},
		{"not the API", []string{token}, page.URL, exitNetwork, ""},
		{"not encrypted", []string{token}, "http://gkcaptcha.invalid", exitUsage, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			there := *u
			there.url = test.url
			code, stdout, stderr := there.run(t.Context(), append([]string{"verify"}, test.args...)...)
			require.Equal(t, test.code, code, stderr)
			require.Equal(t, test.wants, stdout)
			for _, s := range []string{"SENTINEL", token, "FORGED"} {
				require.NotContains(t, stdout+stderr, s)
			}
		})
	}
}
