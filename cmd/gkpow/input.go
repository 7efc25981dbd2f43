package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"sync"
	"unicode/utf8"
)

// readLimited reads a file of up to 1 MiB, or standard input if the name is "-".
func readLimited(ctx context.Context, name string, stdin io.Reader) ([]byte, error) {
	source := name
	if name == "-" {
		source = "standard input"
	}
	return await(ctx, source, func() ([]byte, error) { return readAll(name, stdin) })
}

func readAll(name string, stdin io.Reader) ([]byte, error) {
	const most = 1 << 20
	in := stdin
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		in = file
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, err
	}
	if len(data) > most {
		return nil, fmt.Errorf("%s is larger than 1 MiB", name)
	}
	return data, nil
}

// await calls f, which reads or writes the named file, and returns its results. If the
// context ends first, await returns the context's error at once: f may wait forever for
// the other end of a FIFO or a terminal.
func await[T any](ctx context.Context, name string, f func() (T, error)) (result T, err error) {
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		result, err := f()
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		return result, fmt.Errorf("still waiting for %s: %w", name, context.Cause(ctx))
	}
}

// isText reports whether all strings in JSON are valid Unicode. The decoder replaces anything else
// with U+FFFD, which would change a salt, or the value that GKTinc judges.
func isText(data []byte) bool { return utf8.Valid(data) && pairedSurrogates().Match(data) }

// pairedSurrogates matches JSON in which every escaped surrogate is half of a pair.
var pairedSurrogates = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:[^\\]|\\[^u]|\\u(?:[^dD]|[dD][0-7])|\\u[dD][89abAB]..\\u[dD][c-fC-F])*$`)
})
