//go:build !race

package cases

// Race reports whether the race detector is on.
const Race = false
