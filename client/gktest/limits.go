package gktest

import "time"

// A window counts requests in a fixed span of time. A span starts with the first request
// after the end of the last span.
type window struct {
	end   time.Time
	count int
}

// take counts one request. If the limit is reached, it returns the time until the span
// ends, in whole seconds, at least 1. A limit of 0 admits every request.
func (w *window) take(now time.Time, limit int, span time.Duration) (wait int, ok bool) {
	if limit == 0 {
		return 0, true
	}
	if !now.Before(w.end) {
		*w = window{end: now.Add(span)}
	}
	if w.count >= limit {
		return int((w.end.Sub(now) + time.Second - 1) / time.Second), false
	}
	w.count++
	return 0, true
}

// A month counts the challenges of one calendar month in UTC.
type month struct {
	year  int
	month time.Month
	count int
}

// take counts one challenge. It returns false if the month's quota is used up. A quota
// of 0 admits every challenge.
func (m *month) take(now time.Time, quota int) bool {
	if quota == 0 {
		return true
	}
	if y, mon, _ := now.UTC().Date(); y != m.year || mon != m.month {
		*m = month{year: y, month: mon}
	}
	if m.count >= quota {
		return false
	}
	m.count++
	return true
}
