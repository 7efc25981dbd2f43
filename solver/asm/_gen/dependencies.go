//go:build dependencies

package main

// Read, not imported, for the offsets of its fields: see source.build.
import _ "github.com/gkpow/gkpow/solver/asm"
