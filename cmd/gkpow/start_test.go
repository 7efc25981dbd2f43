package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// initTrace is a line of GODEBUG=inittrace=1.
var initTrace = regexp.MustCompile(`(?m)^init (\S+) @.* (\d+) bytes, \d+ allocs$`)

// No package of this module prepares at the start of every command what few of them
// need, such as regular expressions and templates.
func TestInitializers(t *testing.T) {
	cmd := exec.Command("gkpow", "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	output, err := cmd.CombinedOutput()
	require.NoError(t, err, string(output))
	own := 0
	for _, found := range initTrace.FindAllStringSubmatch(string(output), -1) {
		if !strings.HasPrefix(found[1], "github.com/gkpow/gkpow/") || strings.HasSuffix(found[1], "/cmd/gkpow") { // whose tests are in the program
			continue
		}
		own++
		bytes, err := strconv.Atoi(found[2])
		require.NoError(t, err)
		require.Less(t, bytes, 16<<10, found[0]) // one expression with a counted repeat takes 30 KB and more
	}
	require.NotZero(t, own, string(output))
}
