//go:build gc && !noasm && !appengine

package strategies

import (
	"context"
	"hash"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/cpuid/v2"
	"github.com/minio/sha256-simd"

	"github.com/gkpow/gkpow/solver"
)

// server is a goroutine of sha256-simd that collects messages and hashes several in parallel. It
// starts on first use. The whole process shares it, because it cannot be stopped and never stops
// polling for work.
var server = sync.OnceValue(sha256.NewAvx512Server)

// serverFeatures are the CPU features that the server needs.
var serverFeatures = []cpuid.FeatureID{cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512BW, cpuid.AVX512VL}

func (minioAVX512) Missing() string {
	for _, f := range serverFeatures {
		if !cpuid.CPU.Supports(f) {
			return f.String()
		}
	}
	return ""
}

// streams is the number of messages that the server hashes in parallel.
const streams = 16

func (m minioAVX512) Search(
	ctx context.Context, p solver.Puzzle, r Range, found func(nonce uint64) bool,
) (hashes uint64, err error) {
	start := time.Now()
	if err := check(p, r); err != nil {
		return 0, err
	}
	if m.Missing() != "" {
		return 0, missingError(m)
	}
	if err := ended(ctx); err != nil {
		return 0, stopped(ctx, err, 0, start)
	}
	s := &serverSearch{puzzle: p, target: newTarget(p.Bits), last: r.Last, found: found}
	var running sync.WaitGroup
	for i := range min(streams-1, r.Last-r.First) + 1 {
		h := sha256.NewAvx512(server()) // assigned to the next lane
		running.Go(func() { s.stream(ctx, h, r.First+i) })
	}
	running.Wait()
	hashes = s.hashes.Load()
	if s.err != nil {
		return hashes, stopped(ctx, s.err, hashes, start)
	}
	return hashes, nil
}

// A serverSearch is the state shared by the streams of a search.
type serverSearch struct {
	puzzle solver.Puzzle
	target target
	last   uint64
	hashes atomic.Uint64
	stop   atomic.Bool

	mu     sync.Mutex // guards the fields below
	found  func(nonce uint64) bool
	enough bool  // whether found returned false
	err    error // the context's
}

// stream tries every sixteenth nonce.
func (s *serverSearch) stream(ctx context.Context, h hash.Hash, nonce uint64) {
	message := newMessage(s.puzzle)
	for !s.stop.Load() {
		message = strconv.AppendUint(message[:len(s.puzzle.Prefix)], nonce, 10)
		h.Reset()
		h.Write(message)
		sum := [sha256.Size]byte(h.Sum(nil))
		s.hashes.Add(1)
		if s.target.met(&sum) {
			s.report(nonce)
		}
		if s.last-nonce < streams {
			return
		}
		nonce += streams
		if err := ended(ctx); err != nil { // cheaper than a hash
			s.end(err)
		}
	}
}

// report passes a solution to found, unless found has already returned false.
func (s *serverSearch) report(nonce uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.enough && !s.found(nonce) {
		s.enough = true
		s.stop.Store(true)
	}
}

// end stops the search because the context ended, unless found has already returned false.
func (s *serverSearch) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.enough {
		s.err = err
	}
	s.stop.Store(true)
}
