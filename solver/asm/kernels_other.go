//go:build purego || !(amd64 || arm64)

package asm

var kernels = []Kernel{std, generic}

// expandSHA is nil: Expand is in Go.
var expandSHA func([]Tail)
