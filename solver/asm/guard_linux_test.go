package asm

import (
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// Kernels read nothing outside words: here there is nothing but pages that
// cannot be touched, before them or after.
func TestScanStaysInside(t *testing.T) {
	page := os.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(memory)
	for _, guard := range [][]byte{memory[:page], memory[2*page:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	inside := unsafe.Slice((*uint32)(unsafe.Pointer(&memory[page])), page/4)

	eachKernel(t, func(t *testing.T, k Kernel) {
		rng := rand.New(rand.NewPCG(7, 0))
		for vary := range 16 {
			if k.Grid != nil && 0 < vary && vary < 14 {
				s := newGridSample(rng, vary, 2*GridLanes+1)
				s.grid.Mask = ^uint32(0)
				for n := range s.words {
					for _, words := range [][]uint32{inside[:n], inside[len(inside)-n:]} {
						copy(words, s.words)
						if got := k.ScanGrid(&s.grid, words); got != -1 {
							t.Fatalf("ScanGrid of %d words that have no hit = %d", n, got)
						}
					}
				}
			}
			s := newSample(rng, vary, 3*k.Lanes+1, 0)
			s.block.Mask = ^uint32(0)
			for n := range s.words {
				for _, words := range [][]uint32{inside[:n], inside[len(inside)-n:]} {
					copy(words, s.words)
					if got := k.Scan(&s.block, words); got != -1 {
						t.Fatalf("Scan of %d words that have no hit = %d", n, got)
					}
					if 0 < n && n <= MaxStates {
						k.Hash(&s.block, words, make([]States, 1))
					}
				}
			}
		}
	})
}
