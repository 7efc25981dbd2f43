// Package diskcache keeps a gkCAPTCHA token in a file, so that commands that are
// started again and again, or many at a time, get one token and not one each:
//
//	tokens := diskcache.New(c, diskcache.Options{}) // c is a *client.Client
//	token, err := tokens.Token(ctx)
//
// The file is in the user's cache directory, in a directory that only the user
// can enter (0700), and can be read by the user only (0600). Its name is
// client.Client.Fingerprint, so it belongs to one URL, site key and secret key.
// It is written aside, synced and renamed, so it is whole at any moment, whatever
// is killed. A second file, with the suffix .lock, is locked while a token is
// being got; it is never removed. A third, with the suffix .failed, remembers for
// some seconds that none could be got, so that processes that want one during an
// outage do not find that out one after the other.
//
// A file that is damaged, of another format, expired, for other keys, open to
// others, somebody else's or not a plain file is ignored and replaced. Nothing
// that goes wrong with the files keeps a token from being got; see
// Options.OnWarning. On Windows, access is what the cache directory passes on.
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

// An Issuer gets new tokens and names what they are for, in characters that are
// fit for file names; *client.Client is one.
type Issuer interface {
	client.TokenSource
	Fingerprint() string
}

// Options configure a Cache. The zero value is right for most uses.
type Options struct {
	Dir string // "" is the directory gkpow in os.UserCacheDir

	// MinLeft is how long a token must still live to be taken from the file; 0 is
	// a fifth of its lifetime, 60 s of 300.
	MinLeft time.Duration

	// OnWarning, if not nil, is told what is wrong with the files. The errors hold
	// no secret. It may be called by several goroutines at a time.
	OnWarning func(error)
}

// A Cache is a client.TokenSource and a client.Invalidator. It is safe for
// concurrent use, by several processes too. As the TokenSource of a
// client.Source it adds the file to what that keeps in memory.
type Cache struct {
	issuer   Issuer
	dir      string
	path     string // of the token; "" if there is none
	dirErr   error  // why there is none
	minLeft  time.Duration
	warn     func(error)
	rejected atomic.Pointer[client.Secret] // the latest token that was not accepted
}

// New returns a Cache of the issuer's tokens. It touches no file.
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

// Path is the name of the file, "" if the system has no cache directory.
func (c *Cache) Path() string { return c.path }

// Token returns the token in the file, or else a new one, which it puts there.
// Of all processes and goroutines that need a new one at the same time, one gets
// it, and the others wait for that or for their contexts. A token from the file
// has Rounds 0. The errors are the issuer's and the context's.
//
// If the issuer fails, all who wait get its error, and so do those that come while
// the failure lasts: a rate limit until it ends, anything else for one to five
// seconds (client.NewFailure). A caller whose context has a deadline after the end
// of a rate limit waits for that end instead.
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

// get returns a token, an error, or a failure that is remembered.
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
		c.warn(fmt.Errorf("no lock, so others may get a token too: %w", err))
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
		c.warn(fmt.Errorf("%s is ignored and replaced: %w", c.path, err))
	}
	token, err = c.issue(ctx)
	if lock.Locked() {
		c.keep(token, err)
	}
	return token, nil, err
}

// keep writes the token, or else the failure if it is one to remember. The caller
// holds the lock.
func (c *Cache) keep(token client.Token, failed error) {
	if failed == nil {
		if err := c.write(token); err != nil {
			c.warn(fmt.Errorf("the token is not kept: %w", err))
		}
		if err := os.Remove(c.path + failedSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.warn(err)
		}
		return
	}
	if failure, ok := client.NewFailure(failed, time.Now().UTC().Round(0)); ok {
		if err := c.replace(c.path+failedSuffix, entry{For: c.issuer.Fingerprint(), Failure: &failure}); err != nil {
			c.warn(fmt.Errorf("other processes are not told of the failure: %w", err))
		}
	}
}

// acquire waits for the lock. Anything but a plain file in its place is an error:
// to open a FIFO would wait for ever, whatever happens to the context.
func (c *Cache) acquire(ctx context.Context, lock *flock.Flock) error {
	if info, err := os.Lstat(lock.Path()); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a plain file: remove it", lock.Path())
	}
	_, err := lock.TryLockContext(ctx, lockInterval)
	return err
}

// failedSuffix is added to the name of the file for the one with the failure.
const failedSuffix = ".failed"

// recall returns the failure that is remembered, if it still lasts or has happened
// since the caller began; nil otherwise.
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

// lockInterval is how often a lock that another process holds is tried.
const lockInterval = 20 * time.Millisecond

// Invalidate tells the Cache that the token is not accepted: it does not return
// it again, and replaces it in the file when it is asked for one. Other processes
// find out by themselves.
func (c *Cache) Invalidate(token client.Token) { c.rejected.Store(&token.Value) }

// prepare makes the directory, or closes one that is open to others.
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
		return fmt.Errorf("%s belongs to somebody else", c.dir)
	case isOpen(info):
		return os.Chmod(c.dir, 0o700)
	}
	return nil
}

// read returns the token in the file, errStale if it is a good one that is used
// up.
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

var errStale = errors.New("the token is used up")

// maxFile bounds the file, in bytes: a token has at most 16 KiB.
const maxFile = 64 << 10

// readOwn reads a plain file that is the user's own and closed to others.
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
	if err := check(opened); err != nil { // it may have been replaced between
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
		return errors.New("it is not a plain file")
	case !isOwn(info):
		return errors.New("it belongs to somebody else")
	case isOpen(info):
		return errors.New("it is open to others")
	case info.Size() > maxFile:
		return errors.New("it is too large")
	}
	return nil
}

// leftover is what a temporary file of atomicfile adds to the name.
var leftover = pattern.New(`^(\.failed)?[0-9]+$`)

// write replaces the file with the token. The caller holds the lock.
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

// replace writes a file. The caller holds the lock.
func (c *Cache) replace(path string, e entry) error {
	data, err := encode(e)
	if err != nil {
		return err
	}
	// Only who holds the lock writes, so these are of processes that were killed.
	entries, _ := os.ReadDir(c.dir)
	for _, e := range entries {
		if added, ok := strings.CutPrefix(e.Name(), filepath.Base(c.path)); ok && leftover().MatchString(added) {
			_ = os.Remove(filepath.Join(c.dir, e.Name()))
		}
	}
	// atomicfile would give the new file the mode of one that must not be trusted.
	if info, err := os.Lstat(path); err == nil && check(info) != nil {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return atomicfile.WriteFile(path, bytes.NewReader(data))
}
