package gktinc

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/netip"
	"strings"
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

// isOnce reports whether newOnce can have made it.
func isOnce(s string) bool {
	return len(s) == 32 && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) })
}

// Issued is what the server keeps of a page that it has made, until the form on
// it comes back. As JSON it survives a round trip.
type Issued struct {
	URL            string     `json:"url"`
	ClientIP       netip.Addr `json:"client_ip"`
	ChallengeLevel int        `json:"challenge_level"`
	Blocked        bool       `json:"blocked,omitempty"` // the address was to be blocked before
	Expires        time.Time  `json:"expires"`
}

// A OnceStore keeps what was issued, by its once. It is used concurrently. Several
// processes that serve one form need one that they share.
type OnceStore interface {
	// Put keeps what was issued. It may be forgotten once it has expired.
	Put(ctx context.Context, once string, issued Issued) error

	// Take removes what was issued and returns it, ok false if there is nothing: it
	// was never put, or was taken, or has expired. Of several calls for one once, at
	// the same time too, only one may get it (GETDEL in Redis, DELETE ... RETURNING
	// in SQL). The once is 32 lower-case hex digits, whatever a visitor sends.
	Take(ctx context.Context, once string) (issued Issued, ok bool, err error)
}

// DefaultMaxPages is how many pages a MemoryStore remembers unless told otherwise:
// some 25 MB of them.
const DefaultMaxPages = 100_000

// A MemoryStore is a OnceStore in this process. Entries go when they are taken,
// when they have expired, and, the oldest first, when there are too many. It is
// safe for concurrent use.
type MemoryStore struct {
	max int
	now func() time.Time

	mu    sync.Mutex
	byKey map[string]*list.Element // of values of type entry
	order *list.List               // the oldest first
}

// An entry is an element of a MemoryStore.
type entry struct {
	once   string
	issued Issued
}

// NewMemoryStore returns a store of at most max entries; 0 is DefaultMaxPages.
func NewMemoryStore(max int) *MemoryStore {
	if max <= 0 {
		max = DefaultMaxPages
	}
	return &MemoryStore{max: max, now: time.Now, byKey: map[string]*list.Element{}, order: list.New()}
}

// Put keeps what was issued. It never fails.
func (s *MemoryStore) Put(_ context.Context, once string, issued Issued) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.byKey[once]; ok {
		s.remove(old)
	}
	// Lifetimes are mostly equal, so that the oldest expires first.
	now := s.now()
	for oldest := s.order.Front(); oldest != nil; oldest = s.order.Front() {
		if s.order.Len() < s.max && now.Before(oldest.Value.(entry).issued.Expires) {
			break
		}
		s.remove(oldest)
	}
	s.byKey[once] = s.order.PushBack(entry{once, issued})
	return nil
}

// Take removes what was issued and returns it. It never fails.
func (s *MemoryStore) Take(_ context.Context, once string) (Issued, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byKey[once]
	if !ok {
		return Issued{}, false, nil
	}
	issued := s.remove(found).issued
	return issued, s.now().Before(issued.Expires), nil
}

func (s *MemoryStore) remove(e *list.Element) entry {
	removed := s.order.Remove(e).(entry)
	delete(s.byKey, removed.once)
	return removed
}
