//go:build dependencies

package main

// avo reads this package for the offsets of its fields (see kernel.build). Nothing calls it.
import _ "github.com/gkpow/gkpow/solver/asm"
