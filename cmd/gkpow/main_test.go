package main

import (
	"net/http/httptest"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gkpow/gkpow/client/gktest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gkpow": main})
}

// TestScripts runs the sessions in testdata/script. Each has an environment
// without keys and a directory of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true})
}

// TestInterop runs clients in other languages against the emulator. It needs
// their interpreters, so it is asked for by name: see the Makefile.
func TestInterop(t *testing.T) {
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
	emulators := map[string]gktest.Options{
		"GKCAPTCHA_API_URL": {},
		"DISABLED_URL":      {M2MDisabled: true},
		"LIMITED_URL":       {RateLimit: 1},
		"QUOTA_URL":         {Quota: 1},
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/interop",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for name, options := range emulators {
				options.Difficulty = 3
				server := httptest.NewServer(gktest.New(options))
				env.Defer(server.Close)
				env.Setenv(name, server.URL)
			}
			env.Setenv("GKCAPTCHA_SITE_KEY", gktest.SiteKey)
			env.Setenv("GKCAPTCHA_SECRET_KEY", gktest.SecretKey)
			env.Setenv("HOME", os.Getenv("HOME")) // where version managers of interpreters look
			return nil
		},
	})
}
