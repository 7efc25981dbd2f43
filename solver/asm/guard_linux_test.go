package asm

import (
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"unsafe"
)

// guardedPage returns memory whose second page, of the size returned, lies between two
// inaccessible ones.
func guardedPage(t *testing.T) (memory []byte, page int) {
	page = os.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(memory) })
	for _, guard := range [][]byte{memory[:page], memory[2*page:]} {
		if err := syscall.Mprotect(guard, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return memory, page
}

// Kernels access no memory outside their arguments. The test puts the arguments at both ends of a
// guarded page.
func TestKernelsStayInside(t *testing.T) {
	memory, page := guardedPage(t)
	inside := unsafe.Slice((*uint32)(unsafe.Pointer(&memory[page])), page/4)

	eachKernel(t, func(t *testing.T, k Kernel) {
		rng := rand.New(rand.NewPCG(7, 0))
		for vary := range 16 {
			if k.Ops.Grid[vary] > 0 {
				s := newGridSample(rng, vary, 2*GridLanes+1)
				s.grid.Mask = ^uint32(0)
				for n := range s.words {
					for _, words := range [][]uint32{inside[:n], inside[len(inside)-n:]} {
						copy(words, s.words)
						if got := k.ScanGrid(&s.grid, words); got != -1 {
							t.Fatalf("ScanGrid of %d words without a hit = %d; want -1", n, got)
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
						t.Fatalf("Scan of %d words without a hit = %d; want -1", n, got)
					}
				}
			}
			s = newSample(rng, vary, MaxHash, 3)
			for n := MaxStates; n <= MaxHash; n += MaxStates {
				for _, words := range [][]uint32{inside[:n], inside[len(inside)-n:]} {
					copy(words, s.words)
					k.Hash(&s.block, words, make([]States, n/MaxStates))
				}
			}
			// Structures at the start and at the end of the page.
			for _, at := range []func(size uintptr) unsafe.Pointer{
				func(uintptr) unsafe.Pointer { return unsafe.Pointer(&memory[page]) },
				func(size uintptr) unsafe.Pointer { return unsafe.Pointer(&memory[2*page-int(size)]) },
			} {
				block := (*Block)(at(unsafe.Sizeof(Block{})))
				*block = s.block
				block.Mask = ^uint32(0)
				if got := k.Scan(block, s.words); got != -1 {
					t.Fatalf("Scan of a block at an edge of the page = %d; want -1", got)
				}
				states := (*[2]States)(at(unsafe.Sizeof([2]States{})))
				k.Hash(&s.block, s.words[:2*MaxStates], states[:])
				if got := k.ScanTails(&states[1], s.tails, ^uint32(0)); got != -1 {
					t.Fatalf("ScanTails of states at an edge of the page = %d; want -1", got)
				}
				tails := (*[3]Tail)(at(unsafe.Sizeof([3]Tail{})))
				all := make([]States, 1)
				copy(tails[:], s.tails)
				k.Hash(&s.block, s.words[:MaxStates], all)
				if got := k.ScanTails(&all[0], tails[:], ^uint32(0)); got != -1 {
					t.Fatalf("ScanTails of tails at an edge of the page = %d; want -1", got)
				}
				if k.Ops.Grid[vary] > 0 {
					chunks := newGridSample(rng, vary, 9)
					grid := (*Grid)(at(unsafe.Sizeof(Grid{})))
					*grid = chunks.grid
					grid.Mask = ^uint32(0)
					if got := k.ScanGrid(grid, chunks.words); got != -1 {
						t.Fatalf("ScanGrid of a grid at an edge of the page = %d; want -1", got)
					}
				}
			}
		}
	})
}

// ScanShared accesses no memory outside its arguments either.
func TestScanSharedStaysInside(t *testing.T) {
	memory, page := guardedPage(t)
	inside := unsafe.Slice((*uint32)(unsafe.Pointer(&memory[page])), page/4)

	eachKernel(t, func(t *testing.T, k Kernel) {
		s := newSharedSample(rand.New(rand.NewPCG(13, 0)), 2*sharedStep+1)
		s.shared.Mask = ^uint32(0)
		for n := range s.words {
			for _, words := range [][]uint32{inside[:n], inside[len(inside)-n:]} {
				copy(words, s.words)
				if got := k.ScanShared(&s.shared, words); got != -1 {
					t.Fatalf("ScanShared of %d words without a hit = %d; want -1", n, got)
				}
			}
		}
		for _, at := range []int{page, 2*page - int(unsafe.Sizeof(Shared{}))} {
			shared := (*Shared)(unsafe.Pointer(&memory[at]))
			*shared = s.shared
			if got := k.ScanShared(shared, s.words); got != -1 {
				t.Fatalf("ScanShared of chunks at an edge of the page = %d; want -1", got)
			}
		}
	})
}
