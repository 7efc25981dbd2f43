package gktinc

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
)

func TestCheckLevel(t *testing.T) {
	ip := netip.MustParseAddr("203.0.113.7")
	for _, test := range []struct {
		name    string
		status  int
		answer  string
		reason  Reason
		allowed map[Policy]bool
		err     error // under policies that do not allow
	}{
		{"accept", 200, `{"action":"ACCEPT","challenge_level":5}`, ReasonAction, map[Policy]bool{Closed: true, OpenOnOutage: true, Open: true}, nil},
		{"notify", 200, `{"action":"notify","challenge_level":5}`, ReasonAction, map[Policy]bool{Closed: true, OpenOnOutage: true, Open: true}, nil},
		{"block", 200, `{"action":"BLOCK","challenge_level":5}`, ReasonAction, map[Policy]bool{Closed: false, OpenOnOutage: false, Open: false}, nil},
		{"block, the rest is nonsense", 200, `{"action":"BLOCK","challenge_level":5,"sign":{}}`, ReasonAction, map[Policy]bool{Closed: false, OpenOnOutage: false, Open: false}, nil},
		{"something else", 200, `{"action":"PONDER","challenge_level":5}`, ReasonUnknownAction, map[Policy]bool{Closed: false, OpenOnOutage: false, Open: true}, client.ErrUnavailable},
		{"outage", 500, `{}`, ReasonUnavailable, map[Policy]bool{Closed: false, OpenOnOutage: true, Open: true}, client.ErrUnavailable},
		{"rate limit", 429, `{}`, ReasonRateLimited, map[Policy]bool{Closed: false, OpenOnOutage: false, Open: true}, client.ErrRateLimited},
		{"wrong key", 403, `{}`, ReasonError, map[Policy]bool{Closed: false, OpenOnOutage: false, Open: false}, client.ErrMisconfigured},
	} {
		for policy, allowed := range test.allowed {
			t.Run(test.name+"/"+policy.String(), func(t *testing.T) {
				v, c := serve(t, policy)
				v.status, v.level = test.status, test.answer
				var degraded []error
				c.onDegraded = func(err error) { degraded = append(degraded, err) }
				level, verdict, err := c.CheckLevel(t.Context(), ip)
				require.Equal(t, allowed, verdict.Allowed)
				require.Equal(t, test.reason, verdict.Reason)
				require.Equal(t, level.Action, verdict.Action)
				if test.status == 200 {
					require.Equal(t, 5, level.ChallengeLevel)
				} else {
					require.Equal(t, 3, level.ChallengeLevel)
				}
				decided := test.reason == ReasonAction
				require.Equal(t, !decided && test.reason != ReasonError, verdict.Degraded)
				require.Equal(t, !decided && allowed, len(degraded) == 1)
				if decided {
					require.NoError(t, err)
					require.NoError(t, verdict.Err)
					return
				}
				require.ErrorIs(t, verdict.Err, test.err)
				if allowed {
					require.NoError(t, err)
				} else {
					require.Equal(t, verdict.Err, err)
				}
			})
		}
	}

	_, c := serve(t, Open)
	_, verdict, err := c.CheckLevel(t.Context(), netip.Addr{})
	require.ErrorIs(t, err, client.ErrRejected)
	require.False(t, verdict.Allowed)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, verdict, err = c.CheckLevel(ended, ip)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, verdict.Allowed)
}
