//go:build cgo

// Command libgkpow builds a shared library for C and for languages that can call C.
// gkpow.h documents its functions, and docs/languages.md has example programs.
//
//	go build -buildmode=c-shared -o libgkpow.so ./cmd/libgkpow
package main

/*
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef const char constant;
*/
import "C"

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/gkpow/gkpow/client"
	"github.com/gkpow/gkpow/solver"
)

func main() {} // required by -buildmode=c-shared, but never called

// The status codes of gkpow.h.
const (
	statusOK = iota
	statusOther
	statusUsage
	statusCredentials
	statusRateLimited
	statusQuota
	statusTime
	statusRejected
	statusNetwork
	statusNone
	statusCanceled
)

// errUsage marks errors in the caller's arguments. It has no text of its own, so usagef can wrap it
// without changing the message.
var errUsage = errors.New("")

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w"+format, append([]any{errUsage}, args...)...)
}

var errCanceled = errors.New("canceled by gkpow_cancel")

func status(err error) C.int32_t {
	var puzzle *solver.PuzzleError
	is := func(target error) bool { return errors.Is(err, target) }
	switch {
	case err == nil:
		return statusOK
	case is(errUsage), errors.As(err, &puzzle):
		return statusUsage
	case is(errCanceled), is(context.Canceled):
		return statusCanceled
	case is(client.ErrMisconfigured):
		return statusCredentials
	case is(client.ErrRateLimited):
		return statusRateLimited
	case is(client.ErrQuotaExceeded):
		return statusQuota
	case is(client.ErrExpired), is(context.DeadlineExceeded):
		return statusTime
	case is(client.ErrRejected), is(client.ErrDifficulty):
		return statusRejected
	case is(client.ErrUnavailable):
		return statusNetwork
	case is(solver.ErrExhausted):
		return statusNone
	}
	return statusOther
}

// finish writes the error's text into the caller's buffer, truncated to fit, and returns
// the error's status.
func finish(err error, buffer *C.char, size C.size_t) C.int32_t {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if buffer != nil && size > 0 {
		text = text[:min(len(text), int(size)-1)]
		put(buffer, strings.ToValidUTF8(text, ""))
	}
	return status(err)
}

// put writes text and a terminating null byte into a buffer, which must be large enough.
func put(buffer *C.char, text string) {
	out := unsafe.Slice((*byte)(unsafe.Pointer(buffer)), len(text)+1)
	copy(out, text)
	out[len(text)] = 0
}

// cancelers holds the contexts that callers can cancel, by number.
var cancelers = struct {
	sync.Mutex
	last    uint64
	cancels map[uint64]context.CancelCauseFunc
	all     map[uint64]context.Context
}{cancels: map[uint64]context.CancelCauseFunc{}, all: map[uint64]context.Context{}}

//export gkpow_canceler_new
func gkpow_canceler_new() C.uint64_t {
	cancelers.Lock()
	defer cancelers.Unlock()
	cancelers.last++
	cancelers.all[cancelers.last], cancelers.cancels[cancelers.last] = context.WithCancelCause(context.Background())
	return C.uint64_t(cancelers.last)
}

//export gkpow_cancel
func gkpow_cancel(canceler C.uint64_t) {
	cancelers.Lock()
	defer cancelers.Unlock()
	if cancel := cancelers.cancels[uint64(canceler)]; cancel != nil {
		cancel(errCanceled)
	}
}

//export gkpow_canceler_free
func gkpow_canceler_free(canceler C.uint64_t) {
	gkpow_cancel(canceler)
	cancelers.Lock()
	defer cancelers.Unlock()
	delete(cancelers.cancels, uint64(canceler))
	delete(cancelers.all, uint64(canceler))
}

// begin returns the context for a call, with its timeout and canceler.
func begin(milliseconds C.int64_t, canceler C.uint64_t) (context.Context, context.CancelFunc, error) {
	ctx := context.Background()
	if canceler != 0 {
		cancelers.Lock()
		ctx = cancelers.all[uint64(canceler)]
		cancelers.Unlock()
		if ctx == nil {
			return nil, nil, usagef("canceler %d does not exist or was freed", uint64(canceler))
		}
	}
	const longest = int64(1<<63-1) / int64(time.Millisecond)
	switch {
	case milliseconds < 0:
		return nil, nil, usagef("timeout_ms is %d: set it to 0 or more", int64(milliseconds))
	case milliseconds == 0 || int64(milliseconds) > longest:
		return ctx, func() {}, nil
	}
	timeout := time.Duration(milliseconds) * time.Millisecond
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, cancel, nil
}

var version = sync.OnceValue(func() *C.char { return C.CString(solver.BuildInfo().Version) })

//export gkpow_version
func gkpow_version() *C.constant { return (*C.constant)(unsafe.Pointer(version())) }

//export gkpow_solve
func gkpow_solve(salt *C.constant, saltLength C.size_t, difficulty, threads C.int32_t, timeout C.int64_t, canceler C.uint64_t,
	nonce *C.uint64_t, hash *C.char, failure *C.char, failureSize C.size_t) C.int32_t {
	solution, err := solve(salt, saltLength, difficulty, threads, timeout, canceler)
	if err == nil && nonce != nil {
		*nonce = C.uint64_t(solution.Nonce)
	}
	if err == nil && hash != nil {
		put(hash, hex.EncodeToString(solution.Hash[:]))
	}
	return finish(err, failure, failureSize)
}

func solve(salt *C.constant, length C.size_t, difficulty, threads C.int32_t, timeout C.int64_t, canceler C.uint64_t) (s solver.Solution, err error) {
	const longest = 1 << 30
	if salt == nil && length > 0 || length > longest {
		return s, usagef("salt is NULL, or salt_length is more than 1 GiB")
	}
	text := ""
	if length > 0 {
		text = C.GoStringN((*C.char)(unsafe.Pointer(salt)), C.int(length))
	}
	puzzle, err := solver.NewPuzzle(text, int(difficulty))
	if err != nil {
		return s, err
	}
	searcher, err := solver.New(solver.Options{Workers: int(threads)})
	if err != nil {
		return s, usagef("%v", err)
	}
	ctx, cancel, err := begin(timeout, canceler)
	if err != nil {
		return s, err
	}
	defer cancel()
	return searcher.Solve(ctx, puzzle)
}

// sources holds the token sources, by keys and URL.
var sources = struct {
	sync.Mutex
	all map[[3]string]*client.Source
}{all: map[[3]string]*client.Source{}}

func source(siteKey, secretKey, url *C.constant) (*client.Source, error) {
	if siteKey == nil || secretKey == nil {
		return nil, usagef("site_key or secret_key is NULL")
	}
	keys := [3]string{text(siteKey), text(secretKey), text(url)}
	sources.Lock()
	defer sources.Unlock()
	if s := sources.all[keys]; s != nil {
		return s, nil
	}
	c, err := client.New(client.Config{SiteKey: keys[0], SecretKey: client.NewSecret(keys[1]), URL: keys[2]})
	if err != nil {
		return nil, err
	}
	s := client.NewSource(c, client.SourceOptions{})
	sources.all[keys] = s
	return s, nil
}

// text returns a copy of a C string, or "" for NULL.
func text(s *C.constant) string { return C.GoString((*C.char)(unsafe.Pointer(s))) }

//export gkpow_token
func gkpow_token(siteKey, secretKey, url *C.constant, timeout C.int64_t, canceler C.uint64_t,
	buffer *C.char, size C.size_t, expiresAt *C.int64_t, failure *C.char, failureSize C.size_t) C.int32_t {
	token, err := getToken(siteKey, secretKey, url, timeout, canceler)
	if value := token.Value.Reveal(); err == nil && (buffer == nil || C.size_t(len(value)) >= size) {
		err = usagef("token is NULL, or token_size is %d: the token needs %d bytes", uint64(size), len(value)+1)
	} else if err == nil {
		put(buffer, value)
		if expiresAt != nil {
			*expiresAt = C.int64_t(token.Expires().Unix())
		}
	}
	return finish(err, failure, failureSize)
}

func getToken(siteKey, secretKey, url *C.constant, timeout C.int64_t, canceler C.uint64_t) (token client.Token, err error) {
	s, err := source(siteKey, secretKey, url)
	if err != nil {
		return token, err
	}
	ctx, cancel, err := begin(timeout, canceler)
	if err != nil {
		return token, err
	}
	defer cancel()
	return s.Token(ctx)
}

//export gkpow_token_refused
func gkpow_token_refused(siteKey, secretKey, url, token *C.constant, failure *C.char, failureSize C.size_t) C.int32_t {
	s, err := source(siteKey, secretKey, url)
	if err == nil {
		s.Invalidate(client.Token{Value: client.NewSecret(text(token))})
	}
	return finish(err, failure, failureSize)
}
