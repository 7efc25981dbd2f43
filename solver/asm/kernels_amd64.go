//go:build !purego

package asm

var kernels = []Kernel{generic}
