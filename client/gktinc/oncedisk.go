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

// A DiskStore is a OnceStore in a directory. The processes of one machine can share it,
// and it survives restarts. It is safe for concurrent use, also by several processes.
//
// Each used page is an empty file, created with O_EXCL, so that only one call succeeds.
// Files that expire in the same quarter of an hour share a directory, which the store
// removes when all of them have expired.
type DiskStore struct {
	dir string
	now func() time.Time

	mu    sync.Mutex
	swept int64 // the period in which expired directories were last removed
}

// oncePeriod is the span of expiry times that share a directory.
const oncePeriod = 15 * time.Minute

// OpenDiskStore returns a store in dir. It creates dir, with mode 0700, if that does not
// exist.
func OpenDiskStore(dir string) (*DiskStore, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("gktinc: once store: %w", err)
	}
	return &DiskStore{dir: dir, now: time.Now}, nil
}

// Use marks a page as used and reports whether this was its first use. It returns an
// error if ctx is done, if once is malformed, or if the file cannot be created.
func (s *DiskStore) Use(ctx context.Context, once string, expires time.Time) (first bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if !isOnce(once) {
		return false, fmt.Errorf("gktinc: once store: %.40q is not a once", once)
	}
	now := s.now()
	if !now.Before(expires) {
		return false, nil // the store may have removed its directory
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

// isOnce reports whether s has the form of a result of newOnce.
func isOnce(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// period returns the number of the quarter of an hour that t is in, which is the name of
// a directory.
func period(t time.Time) int64 { return t.Unix() / int64(oncePeriod/time.Second) }

// sweep removes the directories in which all files have expired, once per period. It
// ignores errors, such as those from another process that removes the same directory, and
// tries again in the next period.
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
