package gktinc

import (
	"container/heap"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"
)

// newOnce returns 16 random bytes as 32 lower-case hex digits, like the vendor's
// bin2hex(random_bytes(16)).
func newOnce() string {
	var random [16]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

// A OnceStore records which pages have been used. It must be safe for concurrent use.
// Processes that serve the same form must share one; otherwise each of them would accept
// the form once.
type OnceStore interface {
	// Use marks a page as used and reports whether this was its first use. Of all
	// calls with the same once, even concurrent ones in different processes, only one
	// may return true (use SET NX in Redis, or INSERT ... ON CONFLICT DO NOTHING in
	// SQL). All calls with the same once have the same expiry time, after which the
	// store may forget it. A once is 32 lower-case hex digits chosen by a Guard, so
	// visitors cannot invent one.
	Use(ctx context.Context, once string, expires time.Time) (first bool, err error)
}

// DefaultMaxUsed is the default capacity of a MemoryStore, in pages. A full store takes
// about 70 MB.
const DefaultMaxUsed = 1_000_000

// A MemoryStore is a OnceStore in memory. Its content is lost when the process ends; use
// a DiskStore to keep it. It is safe for concurrent use.
//
// When it is full, it drops the entry that expires first, and from then on treats every
// page that expires no later as used. So it never accepts a page twice, and a flood of
// forms invalidates only the pages that have been open for longest.
type MemoryStore struct {
	max int
	now func() time.Time

	mu    sync.Mutex // guards the fields below
	used  map[onceKey]struct{}
	queue expiryQueue
	floor int64 // Unix nanoseconds; pages that expire no later count as used
}

// A onceKey is the beginning of a once's hash, half as long as the once.
type onceKey [16]byte

// NewMemoryStore returns a store of at most max entries; 0 means DefaultMaxUsed.
func NewMemoryStore(max int) *MemoryStore {
	if max <= 0 {
		max = DefaultMaxUsed
	}
	return &MemoryStore{max: max, now: time.Now, used: map[onceKey]struct{}{}}
}

// Use marks a page as used and reports whether this was its first use. The error is
// always nil.
func (s *MemoryStore) Use(_ context.Context, once string, expires time.Time) (first bool, err error) {
	sum := sha256.Sum256([]byte(once))
	entry := usedPage{expires: expires.UnixNano(), key: onceKey(sum[:])}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UnixNano()
	for len(s.queue) > 0 && s.queue[0].expires <= now {
		delete(s.used, heap.Pop(&s.queue).(usedPage).key)
	}
	if _, twice := s.used[entry.key]; twice || entry.expires <= max(now, s.floor) {
		return false, nil
	}
	s.used[entry.key] = struct{}{}
	heap.Push(&s.queue, entry)
	if len(s.queue) > s.max {
		oldest := heap.Pop(&s.queue).(usedPage)
		delete(s.used, oldest.key)
		s.floor = oldest.expires
	}
	return true, nil
}

// A usedPage is an element of a MemoryStore.
type usedPage struct {
	expires int64 // Unix nanoseconds
	key     onceKey
}

// An expiryQueue is a heap.Interface whose first element expires first.
type expiryQueue []usedPage

func (q expiryQueue) Len() int           { return len(q) }
func (q expiryQueue) Less(i, j int) bool { return q[i].expires < q[j].expires }
func (q expiryQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *expiryQueue) Push(x any)        { *q = append(*q, x.(usedPage)) }
func (q *expiryQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
