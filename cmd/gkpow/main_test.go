package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gkpow/gkpow/client/gktest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gkpow": main, "gkpow-canned": cannedMain})
}

// emulators maps the variable that holds a service's URL to the options of that service.
var emulators = map[string]gktest.Options{
	"EMULATOR_URL": {},
	"DISABLED_URL": {M2MDisabled: true},
	"LIMITED_URL":  {RateLimit: 1},
	"QUOTA_URL":    {Quota: 1},
	"SKEWED_URL":   {Clock: func() time.Time { return time.Now().Add(time.Hour) }},
	"ONCE_URL":     {SingleUse: true, VerifyShape: gktest.ShapeSDK},
}

// startEmulators starts every service in emulators. The script's value "service" is the
// first one.
func startEmulators(env *testscript.Env) {
	for name, options := range emulators {
		options.Difficulty = 3
		service := gktest.New(options)
		if name == "EMULATOR_URL" {
			env.Values["service"] = service
		}
		server := httptest.NewServer(service)
		env.Defer(server.Close)
		env.Setenv(name, server.URL)
	}
}

// quickExit is a variable that makes commands built with the race detector exit at once
// instead of waiting for a second.
const quickExit = "GORACE=atexit_sleep_ms=0"

// TestScripts runs the sessions in testdata/script, each in its own directory and with an
// environment without keys. "challenges N" fails unless the service at EMULATOR_URL has
// issued exactly N challenges.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			startEmulators(env)
			env.Vars = append(env.Vars, quickExit)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("LocalAppData", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"challenges": func(ts *testscript.TestScript, neg bool, args []string) {
				got := strconv.Itoa(ts.Value("service").(*gktest.Service).Counts().Challenges)
				if neg || len(args) != 1 || args[0] != got {
					ts.Fatalf("the service issued %s challenges; want %q", got, args)
				}
			},
		},
	})
}

// interop skips a test that needs other programs, unless GKPOW_TEST_INTEROP is set, as by
// make test-all.
func interop(t *testing.T) {
	t.Helper()
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
}

// TestInterop runs clients in other languages against the emulator. It needs their
// interpreters.
func TestInterop(t *testing.T) {
	interop(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/interop",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			startEmulators(env)
			env.Setenv("GKCAPTCHA_API_URL", env.Getenv("EMULATOR_URL"))
			env.Setenv("GKCAPTCHA_SITE_KEY", gktest.SiteKey)
			env.Setenv("GKCAPTCHA_SECRET_KEY", gktest.SecretKey)
			env.Setenv("HOME", os.Getenv("HOME")) // interpreters' version managers need it
			return nil
		},
	})
}
