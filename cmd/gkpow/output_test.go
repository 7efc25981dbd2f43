package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client/gktest"
	"github.com/gkpow/gkpow/solver"
)

// If a kernel fails its self-test, every command that searches prints a warning, whether or
// not it finds a solution, and the agent logs one line.
func TestKernelFaults(t *testing.T) {
	u := newUser(t, gktest.Options{Difficulty: 1})
	faulty := func() []solver.Backend {
		return []solver.Backend{
			{Name: "abacus", Fault: errors.New("self-test: Scan(word 3, ...) = 2; want 5")},
			{Name: "missing", Missing: "AVX1024"},
			{Name: "generic", Usable: true},
		}
	}
	const warning = "kernel abacus is not used, since it computes wrong results on this machine (self-test: Scan(word 3, ...) = 2; want 5): " +
		"report it, and check the CPU and memory"
	for args, want := range map[string]int{
		"solve --salt x --difficulty 1":                 exitOK,
		"solve --salt x --difficulty 64 --max-nonce 10": exitNone,
		"token --no-cache":                              exitOK,
		"token --no-cache --json":                       exitOK,
	} {
		var stdout, stderr strings.Builder
		env := u.environment(nil, nil)
		env.stdout, env.stderr, env.backends = &stdout, &stderr, faulty
		require.Equal(t, want, run(t.Context(), strings.Fields(args), env), stderr.String())
		require.Equal(t, 1, strings.Count(stderr.String(), "gkpow: warning: "+warning+"\n"), stderr.String())
		require.NotContains(t, stdout.String(), "abacus")
	}

	env := u.environment(nil, nil)
	env.backends = faulty
	a := startAgent(t, env, "--listen", "127.0.0.1:0", "--no-cache")
	first := a.token()
	status, _, _ := a.call("DELETE", "/token", `{"token":"`+first+`"}`)
	require.Equal(t, 204, status)
	require.NotEqual(t, first, a.token())
	require.Equal(t, 1, strings.Count(a.journal.String(), `"msg":"kernel fault"`), a.journal)
}

func TestRoughly(t *testing.T) {
	for v, want := range map[float64]string{
		1: "1", 7.64: "7.64", 16: "16", 999.4: "999", 999.6: "1,000", 65_536: "65,536", 999_499: "999,499", 999_500: "1 million",
		16_777_216: "16.8 million", 4_294_967_296: "4.29 billion", 9.007e15: "9.01 quadrillion", 1.8e19: "18 quintillion",
	} {
		require.Equal(t, want, roughly(v))
	}
}

func TestPercent(t *testing.T) {
	for chance, want := range map[float64]string{
		0: "0.0%", 1: "100.0%", 0.476: "47.6%", 0.0005: "0.050%", 0.00015: "0.015%", 6e-7: "0.000060%", 1.2e-8: "0.0000012%", 1e-9: "<0.000001%",
	} {
		require.Equal(t, want, percent(chance))
	}
}

func TestBarWidth(t *testing.T) {
	for columns, want := range map[int]int{0: 30, 1: 1, 64: 1, 80: 16, 94: 30, 200: 30} {
		require.Equal(t, want, barWidth(columns), columns)
	}
}
