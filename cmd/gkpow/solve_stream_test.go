package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Invalid Unicode is an error, because the JSON decoder would replace it with U+FFFD and so
// change the salt.
func TestStreamUnicode(t *testing.T) {
	for line, valid := range map[string]bool{
		`{"salt":"\u00e9 \uD7ff \ue000 \uFFFD","difficulty":0}`: true,
		`{"salt":"\ud83d\uDE00","difficulty":0}`:                true,
		`{"salt":"\\ud83d \\\\","difficulty":0}`:                true,
		"{\"salt\":\"\U0001F600\uFFFD\",\"difficulty\":0}":      true,
		`{"salt":"\ud83d","difficulty":0}`:                      false,
		`{"salt":"\ude00\ud83d","difficulty":0}`:                false,
		`{"salt":"\ud83d\ud83d","difficulty":0}`:                false,
		`{"salt":"\\\ud83d","difficulty":0}`:                    false,
		`{"id":"\ud83d","salt":"x","difficulty":0}`:             false,
		"{\"salt\":\"\xff\",\"difficulty\":0}":                  false,
		"{\"id\":\"\xff\",\"salt\":\"x\",\"difficulty\":0}":     false,
	} {
		code, stdout, stderr := gkpow(t.Context(), "", line+"\n", "solve", "--stream")
		require.Equal(t, exitOK, code, stderr)
		if valid {
			require.Contains(t, stdout, `"nonce":0,`, line)
		} else {
			require.Contains(t, stdout, `"error":"the line contains invalid Unicode`, line)
		}
	}
}
