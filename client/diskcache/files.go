package diskcache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/gkpow/gkpow/client/internal/pattern"
)

// DefaultDir returns the default of Options.Dir, the directory gkpow in
// os.UserCacheDir. It may not exist yet.
func DefaultDir() (string, error) {
	parent, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, "gkpow"), nil
}

// Check returns an error if a Cache cannot store tokens in dir, because dir
// belongs to another user or is not writable. Like a Cache, it creates dir.
func Check(dir string) error {
	c := &Cache{dir: dir}
	if err := c.prepare(); err != nil {
		return err
	}
	probe, err := os.CreateTemp(dir, ".check-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// A File describes a token in a cache directory. It contains neither the token nor
// any keys.
type File struct {
	Name     string    // name of the file: Issuer.Fingerprint
	Received time.Time // by the local clock
	Expires  time.Time // by the local clock; zero if there is only a failure, or if Problem is set
	Failure  string    // why the last handshake failed; "" if it succeeded
	Problem  error     // why a Cache ignores the file; nil if it does not
}

// fileName matches the names of token files and failure files.
var fileName = pattern.New(`^([0-9a-f]{64})(\.failed)?$`)

// List returns the tokens in a cache directory, sorted by name. It returns none if
// the directory does not exist.
func List(dir string) ([]File, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var files []File
	for _, e := range entries {
		found := fileName().FindStringSubmatch(e.Name())
		if found == nil {
			continue
		}
		if len(files) == 0 || files[len(files)-1].Name != found[1] {
			files = append(files, File{Name: found[1]})
		}
		files[len(files)-1].read(filepath.Join(dir, e.Name()), found[2] != "")
	}
	return files, nil
}

// read fills in f from the file of the token or of its failure.
func (f *File) read(path string, failure bool) {
	format := tokenFormat
	if failure {
		format = failureFormat
	}
	data, err := readOwn(path)
	var e entry
	if err == nil {
		e, err = decode(data, format)
	}
	switch {
	case err != nil:
		f.Problem = errors.Join(f.Problem, fmt.Errorf("%s: %w", filepath.Base(path), err))
	case failure && e.Failure != nil && time.Now().Before(e.Failure.Until):
		f.Failure = e.Failure.Kind
	case !failure:
		f.Received, f.Expires = e.Received, e.Expires
	}
}

// ours matches every file that a Cache creates, except lock files.
var ours = pattern.New(`^[0-9a-f]{64}(\.failed)?[0-9]*$`)

// Clear removes all tokens and failures from a cache directory and returns the
// number of tokens removed. If a process is getting a token, Clear waits for it or
// until ctx is done. It leaves lock files in place, since other processes may be
// waiting for them.
func Clear(ctx context.Context, dir string) (tokens int, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	var failed []error
	for _, e := range entries {
		if !ours().MatchString(e.Name()) {
			continue
		}
		removed, err := remove(ctx, dir, e.Name())
		if removed && len(e.Name()) == 64 {
			tokens++
		}
		failed = append(failed, err)
	}
	return tokens, errors.Join(append(failed, err)...)
}

// remove removes a file while it holds the file's lock.
func remove(ctx context.Context, dir, name string) (removed bool, err error) {
	lock := flock.New(filepath.Join(dir, name[:64]+".lock"), flock.SetPermissions(0o600))
	if err := new(Cache).acquire(ctx, lock); err != nil {
		return false, err
	}
	defer lock.Close()
	err = os.Remove(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
