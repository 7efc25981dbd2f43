package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/natefinch/atomic"

	"github.com/gkpow/gkpow/client"
)

// A tokenFile is a file with a live token, for programs that read files. Each new token
// replaces it atomically. It has mode 0600, and does not exist while there is no live
// token.
type tokenFile struct {
	path   string // absolute, without symbolic links
	format string // as for gkpow token
	log    *slog.Logger

	onFailure func(error) // if not nil, called with errors of the source

	mu      sync.Mutex  // guards the fields below
	written []byte      // content, nil if there is no file
	expires time.Time   // of the token in the file
	timer   *time.Timer // removes the file at that time; nil before the first token
}

// newTokenFile checks that the file can be written. The flag's name is for errors.
func newTokenFile(flag, path, format string, log *slog.Logger) (*tokenFile, error) {
	o, err := newOutput(flag, path, true)
	if err != nil {
		return nil, &usageError{err}
	}
	if !o.plain {
		return nil, usagef("--%s %s is not a plain file: a token can be replaced only in a plain file", flag, path)
	}
	absolute, err := filepath.Abs(o.path)
	if err != nil {
		return nil, usagef("--%s %s: %w", flag, path, err)
	}
	return &tokenFile{path: absolute, format: format, log: log}, nil
}

// start keeps the file up to date in the background. The function that it returns stops this and
// removes the file.
func (f *tokenFile) start(ctx context.Context, source client.TokenSource, state *agentState) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	state.expectToken()
	go func() {
		defer close(done)
		f.keep(ctx, source, state.changed)
	}()
	return func() { cancel(); <-done }
}

// maxTokenCheck is the longest time between comparisons of the file with the source:
// timers stop while the machine sleeps.
const maxTokenCheck = 10 * time.Second

// keep updates the file until ctx is done, and removes it then. The channel announces that
// the source may have another token.
func (f *tokenFile) keep(ctx context.Context, source client.TokenSource, changed <-chan struct{}) {
	defer f.remove()
	backoff := time.Second
	for {
		// A request late in the token's life, such as this one, starts a renewal.
		token, err := source.Token(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = f.write(token)
		} else if f.onFailure != nil {
			f.onFailure(err)
		}
		wait := 100 * time.Millisecond // a renewal is under way, or about to start
		if err != nil {
			f.log.Warn("could not update the token file", "file", f.path, "error", err.Error())
			var failure *client.Error
			errors.As(err, &failure)
			wait, backoff = backoff, min(2*backoff, 30*time.Second)
			if failure != nil {
				wait = max(wait, min(failure.RetryAfter, time.Minute))
			}
		} else {
			backoff = time.Second
			if left := renewsIn(token, time.Now()); left > 0 {
				wait = min(left, maxTokenCheck)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		}
		timer.Stop()
		f.expire()
	}
}

// expire removes the file if its token has expired.
func (f *tokenFile) expire() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.written != nil && !time.Now().Before(f.expires) {
		f.log.Warn("the token expired before a new one arrived, so gkpow removed the token file", "file", f.path)
		f.removeLocked()
	}
}

// write writes the token unless the file already contains it.
func (f *tokenFile) write(token client.Token) error {
	var content bytes.Buffer
	if err := printToken(&content, f.format, token); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.written != nil && bytes.Equal(content.Bytes(), f.written) {
		return nil
	}
	// The new file inherits the mode of the old one.
	if err := os.Chmod(f.path, 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := atomic.WriteFile(f.path, bytes.NewReader(content.Bytes())); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	f.written, f.expires = content.Bytes(), token.Expires()
	if f.timer != nil {
		f.timer.Stop()
	}
	f.timer = time.AfterFunc(time.Until(f.expires), f.expire)
	f.log.Info("token file written", "file", f.path, "expires", token.ExpiresAt)
	return nil
}

// remove removes the file, unless somebody else has replaced it.
func (f *tokenFile) remove() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removeLocked()
}

func (f *tokenFile) removeLocked() {
	if f.written == nil {
		return
	}
	f.timer.Stop()
	if data, err := os.ReadFile(f.path); err == nil && bytes.Equal(data, f.written) {
		if err := os.Remove(f.path); err != nil {
			f.log.Warn("could not remove the token file", "file", f.path, "error", err.Error())
		}
	}
	f.written, f.expires = nil, time.Time{}
}
