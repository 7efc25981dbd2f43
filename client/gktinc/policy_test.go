package gktinc

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPolicyNames(t *testing.T) {
	for policy, name := range map[Policy]string{Closed: "closed", OpenOnOutage: "open-on-outage", Open: "open"} {
		require.Equal(t, name, policy.String())
		encoded, err := json.Marshal(policy)
		require.NoError(t, err)
		require.Equal(t, `"`+name+`"`, string(encoded))
		var read Policy
		require.NoError(t, json.Unmarshal(encoded, &read))
		require.Equal(t, policy, read)
	}
	require.Equal(t, Closed, *new(Policy))
	require.Equal(t, "Policy(7)", Policy(7).String())
	_, err := Policy(-1).MarshalText()
	require.Error(t, err)
	var p Policy
	for _, text := range []string{"", "Open", "fail-open", string(bytes.Repeat([]byte("x"), 100))} {
		require.ErrorContains(t, p.UnmarshalText([]byte(text)), "is not one of closed, open-on-outage and open")
	}
	require.False(t, Policy(7).allows(ReasonUnavailable))
}
