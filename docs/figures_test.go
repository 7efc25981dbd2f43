package docs

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tableCells returns the cells of a document's tables by row and column, each under the name at its
// start: "shani" and "Zen 3". A row without a name belongs to the one above. If several tables have
// a cell, the first counts.
func tableCells(t *testing.T, file string, names int) map[[2]string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	cells := map[[2]string]string{}
	var head []string
	for line := range strings.Lines(string(text)) {
		row := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range row {
			row[i] = strings.Trim(strings.TrimSpace(row[i]), "*")
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			head = nil
		case head == nil:
			head = row
		case len(row) == len(head) && len(row) > names:
			for i := range row {
				key := [2]string{row[names], head[i]}
				if _, ok := cells[key]; !ok {
					cells[key] = row[i]
				}
			}
		}
	}
	return cells
}

// rounded returns the number in a cell, such as "21.3 s", to as many significant digits.
func rounded(t *testing.T, cell string, digits int) string {
	t.Helper()
	require.NotEmpty(t, cell)
	v, err := strconv.ParseFloat(strings.Fields(cell)[0], 64)
	require.NoError(t, err)
	v, err = strconv.ParseFloat(fmt.Sprintf("%.*g", digits, v), 64)
	require.NoError(t, err)
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// README states the same figures as docs/benchmarks.md.
func TestSameFigures(t *testing.T) {
	rates, rivals := tableCells(t, "benchmarks.md", 1), tableCells(t, "benchmarks.md", 0)
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	readme := strings.Join(strings.Fields(string(text)), " ")
	rival := func(name, column string, digits int) string {
		return rounded(t, rivals[[2]string{name, column}], digits)
	}
	rate := func(name, column string) string {
		cell := rates[[2]string{name, column}]
		require.NotEmpty(t, cell, "%s, %s", name, column)
		return cell
	}
	for _, want := range []string{
		rate("mixed512", "Zen 4") + " million nonces a second on a Zen 4 core (kernel mixed512)",
		rate("avx512", "Xeon") + " million on a Sapphire Rapids Xeon (avx512)",
		rate("shani", "Zen 3") + " million on a Zen 3 core (shani)",
		"tests " + rate("textbook, the service's loop", "Xeon") + " million on that Xeon",
		"the samples themselves test " + rival("node", "Xeon, MH/s", 1) + " to " + rival("php", "Xeon, MH/s", 2) + " million",
		"gkpow tests " + rival("gkpow", "Xeon, MH/s", 3) + " million a second",
		"on average) takes " + rival("gkpow", "difficulty 6", 2) + " s.",
		"On one core, the service's Node sample takes " + rival("node", "difficulty 6", 2) + " s on average",
		"gkpow takes " + rival("gkpow", "difficulty 6", 2) + " s on two cores",
	} {
		require.Contains(t, readme, want)
	}
}

// docs/kernels.md states the same rates of whole searches on Zen 4 as docs/benchmarks.md.
func TestSameFiguresOfSearches(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		return string(text)
	}
	benchmarks, kernels := read("benchmarks.md"), strings.Join(strings.Fields(read("kernels.md")), " ")
	for _, salt := range []string{"48", "56", "64"} {
		row := regexp.MustCompile(`(?m)^\| ` + salt + ` \| the fastest kernel \|[^|]*\| \*\*([0-9]+)\*\* \|`).FindStringSubmatch(benchmarks)
		require.NotNil(t, row, salt)
		require.Contains(t, kernels, row[1]+" after "+salt)
	}
}
