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

// A OnceStore remembers which pages have been used. It is used concurrently. Several
// processes that serve one form need one that they share, or a form would be good
// once in each of them.
type OnceStore interface {
	// Use records that a page has been used, and reports whether this is the first
	// time. Of all calls for one once, at the same time too and in all processes,
	// only one may get true (SET NX in Redis, INSERT ... ON CONFLICT DO NOTHING in
	// SQL). The once may be forgotten when it expires, which is the same time in all
	// calls for it. It is 32 lower-case hex digits that a Guard has made: a visitor
	// cannot make one up.
	Use(ctx context.Context, once string, expires time.Time) (first bool, err error)
}

// DefaultMaxUsed is how many used pages a MemoryStore remembers unless told
// otherwise: at most about 70 MB of them.
const DefaultMaxUsed = 1_000_000

// A MemoryStore is a OnceStore in this process, which forgets when the process ends:
// see DiskStore. It is safe for concurrent use.
//
// When it is full it gives up those that expire first, and from then on takes all
// pages for used that expire no later than they. So no page is ever good twice, and
// a flood of forms costs only the pages that have been open for longest.
type MemoryStore struct {
	max int
	now func() time.Time

	mu    sync.Mutex // guards what follows
	used  map[onceKey]struct{}
	queue expiryQueue
	floor int64 // Unix nanoseconds; what expires no later counts as used
}

// A onceKey stands for a once in half its size.
type onceKey [16]byte

// NewMemoryStore returns a store of at most max entries; 0 is DefaultMaxUsed.
func NewMemoryStore(max int) *MemoryStore {
	if max <= 0 {
		max = DefaultMaxUsed
	}
	return &MemoryStore{max: max, now: time.Now, used: map[onceKey]struct{}{}}
}

// Use records that a page has been used, and reports whether this is the first time.
// It never fails.
func (s *MemoryStore) Use(_ context.Context, once string, expires time.Time) (first bool, err error) {
	sum := sha256.Sum256([]byte(once))
	entry := used{expires: expires.UnixNano(), key: onceKey(sum[:])}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now().UnixNano()
	for len(s.queue) > 0 && s.queue[0].expires <= now {
		delete(s.used, heap.Pop(&s.queue).(used).key)
	}
	if _, twice := s.used[entry.key]; twice || entry.expires <= max(now, s.floor) {
		return false, nil
	}
	s.used[entry.key] = struct{}{}
	heap.Push(&s.queue, entry)
	if len(s.queue) > s.max {
		oldest := heap.Pop(&s.queue).(used)
		delete(s.used, oldest.key)
		s.floor = oldest.expires
	}
	return true, nil
}

// A used is an element of a MemoryStore.
type used struct {
	expires int64 // Unix nanoseconds
	key     onceKey
}

// An expiryQueue is a heap.Interface with the element that expires first in front.
type expiryQueue []used

func (q expiryQueue) Len() int           { return len(q) }
func (q expiryQueue) Less(i, j int) bool { return q[i].expires < q[j].expires }
func (q expiryQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *expiryQueue) Push(x any)        { *q = append(*q, x.(used)) }
func (q *expiryQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
