package docs

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
)

// The buffer for a token in gkpow.h holds the longest token and its null byte. The examples in other
// languages, which cannot use the header, have the same sizes.
func TestBufferSizes(t *testing.T) {
	header, err := os.ReadFile("../cmd/libgkpow/gkpow.h")
	require.NoError(t, err)
	sizes := map[string]int{}
	for _, m := range regexp.MustCompile(`#define GKPOW_(\w+)_SIZE (\d+)`).FindAllStringSubmatch(string(header), -1) {
		sizes[m[1]], err = strconv.Atoi(m[2])
		require.NoError(t, err)
	}
	require.Len(t, sizes, 3)

	restore := func(length int) error {
		now := time.Now()
		later := now.Add(time.Hour)
		_, err := client.RestoreToken(client.NewSecret(strings.Repeat("x", length)), later, now, later)
		return err
	}
	require.NoError(t, restore(sizes["TOKEN"]-1))
	require.ErrorIs(t, restore(sizes["TOKEN"]), client.ErrRejected)

	guide, err := os.ReadFile("languages.md")
	require.NoError(t, err)
	used := map[int]int{}
	for _, m := range regexp.MustCompile(`(?:create_string_buffer\(|Buffer\.alloc\(|char\[)(\d+)`).FindAllStringSubmatch(string(guide), -1) {
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		used[n]++
	}
	const languages = 3 // Python, Node and PHP
	require.Equal(t, map[int]int{sizes["HASH"]: languages, sizes["TOKEN"]: languages, sizes["ERROR"]: languages}, used)
}
