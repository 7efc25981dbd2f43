//go:build !race

package cases

// Race tells whether the race detector is on.
const Race = false
