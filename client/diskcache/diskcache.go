// Package diskcache keeps a gkCAPTCHA token in a file, so that a command that runs
// many times, one run after another or all at once, gets one token instead of one
// per run:
//
//	tokens := diskcache.New(c, diskcache.Options{}) // c is a *client.Client
//	token, err := tokens.Token(ctx)
//
// The file (mode 0600) lies in a directory of mode 0700 inside the user's cache
// directory, so only the user can read it. Its name is the result of
// client.Client.Fingerprint, so each combination of URL, site key and secret key
// has a file of its own. A Cache writes a temporary file, syncs it and renames it
// into place, so the file is complete at any moment, even after a crash. A second
// file, with the suffix .lock, is locked while a process gets a token; it is never
// removed. A third file, with the suffix .failed, records for a few seconds that a
// handshake failed, so that during an outage most processes fail without a request.
//
// A Cache ignores and replaces a file that is damaged, expired, readable by other
// users, owned by another user, not a regular file, in another format or for other
// keys. A problem with the files never prevents a Cache from getting a token; it
// is reported to Options.OnWarning. On Windows, the files inherit the access rights
// of the cache directory.
package diskcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	atomicfile "github.com/natefinch/atomic"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/client/internal/pattern"
)

// An Issuer gets new tokens. *client.Client is one.
type Issuer interface {
	client.TokenSource

	// Fingerprint identifies the service and the keys that the tokens are for. It
	// must be a valid file name.
	Fingerprint() string
}

// Options configure a Cache. The zero value is right for most uses.
type Options struct {
	// Dir is the directory of the files; "" means the result of DefaultDir.
	Dir string

	// MinLeft is the remaining lifetime below which a token in the file is replaced.
	// 0 means a fifth of its lifetime, 60 s of 300 s; a negative value means that
	// tokens are used until they expire.
	MinLeft time.Duration

	// OnWarning, if not nil, is called with each problem with the files. The errors
	// contain no secrets. Several goroutines may call it at once.
	OnWarning func(error)
}

// A Cache is a client.TokenSource and a client.Invalidator. It is safe for
// concurrent use, also by several processes. A client.Source on top of a Cache
// keeps the token in memory too.
type Cache struct {
	issuer   Issuer
	dir      string
	path     string // of the token's file; "" if dirErr is set
	dirErr   error  // why DefaultDir failed
	minLeft  time.Duration
	warn     func(error)
	rejected atomic.Pointer[client.Secret] // the token passed to Invalidate last
}

// New returns a Cache of the issuer's tokens. It does not access the disk.
func New(issuer Issuer, options Options) *Cache {
	c := &Cache{issuer: issuer, dir: options.Dir, minLeft: options.MinLeft, warn: func(error) {}}
	if options.OnWarning != nil {
		c.warn = func(err error) { options.OnWarning(fmt.Errorf("diskcache: %w", err)) }
	}
	if c.dir == "" {
		if c.dir, c.dirErr = DefaultDir(); c.dirErr != nil {
			return c
		}
	}
	c.path = filepath.Join(c.dir, issuer.Fingerprint())
	return c
}

// Path returns the path of the token's file, or "" if Options.Dir is empty and
// DefaultDir fails.
func (c *Cache) Path() string { return c.path }

// Token returns the token in the file. If that is missing or unusable, it gets a
// new token and stores it. When several processes or goroutines need a new token
// at once, one gets it and the others wait until it is stored or until their
// contexts are done. A token from the file has Rounds 0. Token returns the errors
// of the issuer and of the context.
//
// If the issuer fails, all waiting callers get its error. So do callers that arrive
// while the failure is remembered: until a rate limit ends, and for some seconds
// after any other failure (see client.NewFailure). If a caller's deadline is later
// than the end of a rate limit, the caller waits for that end and then tries again.
func (c *Cache) Token(ctx context.Context) (client.Token, error) {
	if err := c.prepare(); err != nil {
		c.warn(err)
		return c.issue(ctx)
	}
	for {
		token, failure, err := c.get(ctx)
		if failure == nil {
			return token, err
		}
		if err := failure.Await(ctx); err != nil {
			return client.Token{}, err
		}
	}
}

// get returns a token, a remembered failure or an error.
func (c *Cache) get(ctx context.Context) (client.Token, *client.Failure, error) {
	began := time.Now()
	if token, err := c.read(); err == nil {
		return token, nil, nil
	}
	if failure := c.recall(began); failure != nil {
		return client.Token{}, failure, nil
	}
	lock := flock.New(c.path+".lock", flock.SetPermissions(0o600))
	if err := c.acquire(ctx, lock); err != nil {
		if ctx.Err() != nil {
			return client.Token{}, nil, &client.Error{Op: "token",
				Err: fmt.Errorf("another process was getting a token: %w", ctx.Err())}
		}
		c.warn(fmt.Errorf("cannot lock, so other processes may get a token too: %w", err))
	}
	defer func() {
		if err := lock.Close(); err != nil {
			c.warn(err)
		}
	}()
	token, err := c.read()
	if err == nil {
		return token, nil, nil
	}
	if failure := c.recall(began); failure != nil {
		return client.Token{}, failure, nil
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errStale) {
		c.warn(fmt.Errorf("ignoring and replacing %s: %w", c.path, err))
	}
	token, err = c.issue(ctx)
	if lock.Locked() {
		c.keep(token, err)
	}
	return token, nil, err
}

// keep stores the token or, if the handshake failed, the failure, unless
// client.NewFailure says not to remember it. The caller holds the lock.
func (c *Cache) keep(token client.Token, failed error) {
	if failed == nil {
		if err := c.write(token); err != nil {
			c.warn(fmt.Errorf("cannot store the token: %w", err))
		}
		if err := os.Remove(c.path + failedSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.warn(err)
		}
		return
	}
	if failure, ok := client.NewFailure(failed, time.Now().UTC().Round(0)); ok {
		if err := c.replace(c.path+failedSuffix, entry{For: c.issuer.Fingerprint(), Failure: &failure}); err != nil {
			c.warn(fmt.Errorf("cannot record the failure for other processes: %w", err))
		}
	}
}

// acquire waits for the lock. It returns an error if the lock file is not a regular
// file: opening a FIFO would block forever, even when ctx is done.
func (c *Cache) acquire(ctx context.Context, lock *flock.Flock) error {
	if info, err := os.Lstat(lock.Path()); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file: remove it", lock.Path())
	}
	_, err := lock.TryLockContext(ctx, lockInterval)
	return err
}

// failedSuffix follows the name of the token's file in the name of the failure's file.
const failedSuffix = ".failed"

// recall returns the recorded failure if it is still in force, or if it happened
// after began, when the caller was already waiting. Otherwise it returns nil.
func (c *Cache) recall(began time.Time) *client.Failure {
	data, err := readOwn(c.path + failedSuffix)
	if err != nil {
		return nil
	}
	e, err := decode(data, failureFormat)
	if err != nil || e.For != c.issuer.Fingerprint() || e.Failure == nil {
		return nil
	}
	now := time.Now()
	if e.Failure.Err(now) == nil || !now.Before(e.Failure.Until) && e.Failure.At.Before(began) {
		return nil
	}
	return e.Failure
}

// issue gets a new token.
func (c *Cache) issue(ctx context.Context) (client.Token, error) {
	token, err := c.issuer.Token(ctx)
	if err == nil {
		err = token.CheckAlive()
	}
	if err != nil {
		return client.Token{}, err
	}
	return token, nil
}

// lockInterval is the time between two attempts to lock.
const lockInterval = 20 * time.Millisecond

// Invalidate marks the token as rejected. The Cache does not return it again, and
// the next call of Token replaces it in the file. Until then, other processes may
// still read it from the file.
func (c *Cache) Invalidate(token client.Token) { c.rejected.Store(&token.Value) }

// prepare creates the directory, or makes an existing one private.
func (c *Cache) prepare() error {
	if c.dirErr != nil {
		return c.dirErr
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return err
	}
	info, err := os.Lstat(c.dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", c.dir)
	case !isOwn(info):
		return fmt.Errorf("%s belongs to another user", c.dir)
	case isOpen(info):
		return os.Chmod(c.dir, 0o700)
	}
	return nil
}

// read returns the token in the file. The error is errStale if the file is valid
// but its token is about to expire or was rejected.
func (c *Cache) read() (client.Token, error) {
	data, err := readOwn(c.path)
	if err != nil {
		return client.Token{}, err
	}
	e, err := decode(data, tokenFormat)
	if err != nil {
		return client.Token{}, err
	}
	if e.For != c.issuer.Fingerprint() {
		return client.Token{}, errors.New("the token is for other keys")
	}
	minLeft := c.minLeft
	if minLeft == 0 {
		minLeft = e.Expires.Sub(e.Received) / 5
	}
	if now := time.Now(); e.Received.After(now) || e.Expires.Sub(now) <= max(minLeft, 0) {
		return client.Token{}, errStale
	}
	value := client.NewSecret(e.Token)
	if rejected := c.rejected.Load(); rejected != nil && rejected.Reveal() == value.Reveal() {
		return client.Token{}, errStale
	}
	return client.RestoreToken(value, e.ExpiresAt, e.Received, e.Expires)
}

var errStale = errors.New("the token is stale")

// maxFile is the maximum size of a file, in bytes. A token has at most 16 KiB.
const maxFile = 64 << 10

// readOwn reads a regular file that belongs to the user and that no other user can
// access.
func readOwn(path string) ([]byte, error) {
	named, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if err := check(named); err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	opened, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := check(opened); err != nil { // it may have been replaced since Lstat
		return nil, err
	}
	data := make([]byte, opened.Size())
	if _, err := file.ReadAt(data, 0); err != nil && len(data) > 0 {
		return nil, err
	}
	return data, nil
}

func check(info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	case !isOwn(info):
		return errors.New("it belongs to another user")
	case isOpen(info):
		return errors.New("other users can access it")
	case info.Size() > maxFile:
		return errors.New("it is too large")
	}
	return nil
}

// leftover matches what atomicfile appends to the name for a temporary file.
var leftover = pattern.New(`^(\.failed)?[0-9]+$`)

// write stores the token in the file. The caller holds the lock.
func (c *Cache) write(token client.Token) error {
	received := token.Received()
	if received.IsZero() {
		received = time.Now()
	}
	return c.replace(c.path, entry{
		For:       c.issuer.Fingerprint(),
		Token:     token.Value.Reveal(),
		ExpiresAt: token.ExpiresAt.UTC(),
		Received:  received.UTC(),
		Expires:   token.Expires().UTC(),
	})
}

// replace writes a file atomically. The caller holds the lock.
func (c *Cache) replace(path string, e entry) error {
	data, err := encode(e)
	if err != nil {
		return err
	}
	// Only the holder of the lock writes, so any temporary file is from a process that
	// was killed.
	entries, _ := os.ReadDir(c.dir)
	for _, e := range entries {
		if added, ok := strings.CutPrefix(e.Name(), filepath.Base(c.path)); ok && leftover().MatchString(added) {
			_ = os.Remove(filepath.Join(c.dir, e.Name()))
		}
	}
	// Remove an untrusted file first: atomicfile would copy its mode to the new one.
	if info, err := os.Lstat(path); err == nil && check(info) != nil {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return atomicfile.WriteFile(path, bytes.NewReader(data))
}
