package gktest

import "time"

// maxRemembered is the maximum size of an expiring map. 16,384 challenges take about
// 5 MB.
const maxRemembered = 1 << 14

// expiring is a map that drops entries when they expire, and the oldest ones when there
// are more than maxRemembered.
type expiring[V any] struct {
	entries map[string]entry[V]
	order   []string // keys in the order of insertion, including keys that were taken
}

type entry[V any] struct {
	value   V
	expires time.Time
}

func (e *expiring[V]) add(now time.Time, key string, value V, expires time.Time) {
	if e.entries == nil {
		e.entries = make(map[string]entry[V])
	}
	for len(e.order) > 0 && (len(e.order) >= maxRemembered || !e.alive(now, e.order[0])) {
		delete(e.entries, e.order[0])
		e.order = e.order[1:]
	}
	e.entries[key] = entry[V]{value, expires}
	e.order = append(e.order, key)
}

// take removes the entry. The result is true if it existed and had not expired.
func (e *expiring[V]) take(now time.Time, key string) (V, bool) {
	alive := e.alive(now, key)
	found := e.entries[key]
	delete(e.entries, key)
	return found.value, alive
}

func (e *expiring[V]) alive(now time.Time, key string) bool {
	found, ok := e.entries[key]
	return ok && now.Before(found.expires)
}
