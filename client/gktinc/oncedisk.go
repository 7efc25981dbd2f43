package gktinc

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A DiskStore is a OnceStore in a directory. Processes on one machine share it, and
// it survives their restart. It is safe for concurrent use, by several processes too.
//
// A used page is an empty file, made in a way that succeeds for one only (O_EXCL).
// Files that expire in the same quarter of an hour are in one directory, which is
// removed when all have expired.
type DiskStore struct {
	dir string
	now func() time.Time

	mu    sync.Mutex
	swept int64 // the period in which expired directories were last removed
}

// oncePeriod is what the files in one directory have in common.
const oncePeriod = 15 * time.Minute

// OpenDiskStore returns a store in a directory, which it makes, with mode 0700, if it
// is not there.
func OpenDiskStore(dir string) (*DiskStore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("gktinc: once store: %w", err)
	}
	return &DiskStore{dir: dir, now: time.Now}, nil
}

// Use records that a page has been used, and reports whether this is the first time.
// It fails if the file can neither be made nor is there.
func (s *DiskStore) Use(ctx context.Context, once string, expires time.Time) (first bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if !isOnce(once) {
		return false, fmt.Errorf("gktinc: once store: %.40q is not a once", once)
	}
	now := s.now()
	if !now.Before(expires) {
		return false, nil // its directory may have been removed
	}
	s.sweep(now)
	dir := filepath.Join(s.dir, strconv.FormatInt(period(expires), 10))
	path := filepath.Join(dir, once)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.Mkdir(dir, 0o700); err == nil || errors.Is(err, fs.ErrExist) {
			file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("gktinc: once store: %w", err)
	}
	return true, file.Close()
}

// isOnce reports whether newOnce can have made it.
func isOnce(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// period is the number of a directory: of the quarter of an hour in which a time is.
func period(t time.Time) int64 { return t.Unix() / int64(oncePeriod/time.Second) }

// sweep removes the directories in which all files have expired. What it fails to
// remove, because another process is doing so, is gone the next time.
func (s *DiskStore) sweep(now time.Time) {
	current := period(now)
	s.mu.Lock()
	due := s.swept < current
	s.swept = max(s.swept, current)
	s.mu.Unlock()
	if !due {
		return
	}
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if n, err := strconv.ParseInt(entry.Name(), 10, 64); err == nil && n < current {
			_ = os.RemoveAll(filepath.Join(s.dir, entry.Name()))
		}
	}
}
