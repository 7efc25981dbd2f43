package gktinc

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
)

func TestLevels(t *testing.T) {
	number := func(f float64) *float64 { return &f }
	for body, want := range map[string]Level{
		`{}`: {ChallengeLevel: 4},
		`{"action":"block","challenge_level":"2","sign":"eyJzaWduIjoxfQ</script>","client_ip":"1.2.3.4","description":"d","ip_policy":"listed",
			"country":"Brazil","country_code":"BR","region":"SP","city":"São Paulo","time_zone":"America/Sao_Paulo","latitude":"-23.547500","longitude":-46.636,"asn":28573}`: {
			Action: ActionBlock, ChallengeLevel: 2, Sign: "eyJzaWduIjoxfQ</script>", ClientIP: "1.2.3.4", Description: "d", IPPolicy: "listed",
			Place: Place{Country: "Brazil", CountryCode: "BR", Region: "SP", City: "São Paulo", TimeZone: "America/Sao_Paulo",
				Latitude: number(-23.5475), Longitude: number(-46.636), ASN: "28573"},
		},
		`{"challenge_level":0,"sign":7,"asn":"AS1"}`:                         {ChallengeLevel: 4, Sign: "7", Place: Place{ASN: "AS1"}},
		`{"challenge_level":1e1,"sign":null}`:                                {ChallengeLevel: 10},
		`{"challenge_level":null,"action":7,"latitude":"x"}`:                 {ChallengeLevel: 4, Action: "7"},
		`{"action":null,"country":["BR"],"longitude":"180.1"}`:               {ChallengeLevel: 4},
		`{"action":"BLOCK","challenge_level":-1,"sign":"x"}`:                 {ChallengeLevel: 4, Action: ActionBlock},
		`{"action":"INVALID","challenge_level":2,"sign":[]}`:                 {ChallengeLevel: 2, Action: ActionInvalid},
		`{"action":"BLOCK","sign":"` + strings.Repeat("x", maxText+1) + `"}`: {ChallengeLevel: 4, Action: ActionBlock},
	} {
		c := clientOf(t, saysJSON(200, body), func(c *Config) { c.DefaultLevel = 4 })
		level, err := c.ChallengeLevel(t.Context(), visitor)
		require.NoError(t, err, body)
		require.Equal(t, want, level.noRaw(), body)
		require.True(t, json.Valid([]byte(level.Raw.Reveal())))
		require.Equal(t, 4, c.DefaultLevel().ChallengeLevel)
		require.Empty(t, c.DefaultLevel().Sign)
	}
	for body, want := range map[string]string{
		`{"challenge_level":1.5}`:                           "challenge_level",
		`{"challenge_level":-1}`:                            "challenge_level",
		`{"challenge_level":"high"}`:                        "challenge_level",
		`{"challenge_level":1001}`:                          "challenge_level",
		`{"challenge_level":[3]}`:                           "challenge_level",
		`{"sign":{}}`:                                       "sign",
		`{"sign":"` + strings.Repeat("x", maxText+1) + `"}`: "sign",
	} {
		_, err := clientOf(t, saysJSON(200, body)).ChallengeLevel(t.Context(), visitor)
		require.ErrorIs(t, err, client.ErrUnavailable, body)
		require.ErrorContains(t, err, "gktinc/level: unavailable (HTTP 200): the response is malformed: "+want)
	}
}
