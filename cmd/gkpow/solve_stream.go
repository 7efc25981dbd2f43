package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gkpow/gkpow/solver"
)

// Bounds of gkpow solve --stream.
const (
	maxParallel   = 256
	maxStreamLine = 1 << 20 // bytes
)

// A streamRequest is a line that gkpow solve --stream reads.
type streamRequest struct {
	ID         json.RawMessage `json:"id"`
	Salt       *string         `json:"salt"`
	Difficulty *int            `json:"difficulty"` // the documented one if nil
	Timeout    *float64        `json:"timeout"`    // in seconds; none if nil
}

// A streamAnswer is a line that gkpow solve --stream writes: a solution or an error.
type streamAnswer struct {
	ID    json.RawMessage `json:"id"`
	Nonce *uint64         `json:"nonce,omitempty"`
	Hash  string          `json:"hash,omitempty"`
	Error string          `json:"error,omitempty"`
	Code  int             `json:"code,omitempty"` // the exit code that gkpow solve would give
}

// answerLines answers the lines of standard input until it ends, some of them at a time. An
// error in a line, or in its search, becomes the answer to that line.
func answerLines(ctx context.Context, env environment, s *solver.Solver, parallel int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	lines := make(chan []byte)
	go func() { // a read that blocks must not keep the command from ending
		defer close(lines)
		in := bufio.NewReader(env.stdin)
		for {
			line, err := readLine(in)
			if len(line) > 0 {
				select {
				case lines <- line:
				case <-ctx.Done():
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					cancel(fmt.Errorf("standard input: %w", err))
				}
				return
			}
		}
	}()

	var out sync.Mutex // held while an answer is written
	var searches sync.WaitGroup
	for range parallel {
		searches.Go(func() {
			for line := range lines {
				answer := answerLine(ctx, s, line)
				if ctx.Err() != nil {
					return // the command returns the context's error
				}
				out.Lock()
				err := printJSON(env.stdout, answer)
				out.Unlock()
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { searches.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	return context.Cause(ctx)
}

// readLine returns the next line that is not empty, without surrounding white space. It
// cuts a line that is too long, but keeps it longer than maxStreamLine.
func readLine(in *bufio.Reader) (line []byte, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line) <= maxStreamLine {
			line = append(line, part...)
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if line = bytes.TrimSpace(line); len(line) > 0 || err != nil {
			return line, err
		}
	}
}

// lineError says what is wrong with a line that does not decode.
func lineError(err error) error {
	const want = "each line must be a JSON object with id, salt, difficulty and timeout"
	var mistyped *json.UnmarshalTypeError
	switch types := map[string]string{
		"salt": "a string", "difficulty": "an integer", "timeout": "a number of seconds",
	}; {
	case errors.As(err, &mistyped) && types[mistyped.Field] != "":
		return usagef("%s must be %s, not %s", mistyped.Field, types[mistyped.Field], mistyped.Value)
	case mistyped != nil:
		return usagef("the line is of type %s: %s", mistyped.Value, want)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return usagef("the line ends within a value: %s", want)
	}
	return usagef("%s: %s", strings.TrimPrefix(err.Error(), "json: "), want)
}

func answerLine(ctx context.Context, s *solver.Solver, line []byte) (a streamAnswer) {
	var r streamRequest
	solution, err := func() (solution solver.Solution, err error) {
		if len(line) > maxStreamLine {
			return solution, usagef("the line is longer than 1 MiB")
		}
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&r); err != nil {
			return solution, lineError(err)
		}
		if decoder.More() {
			return solution, usagef("there is more text after the object")
		}
		if !isText(line) {
			return solution, usagef("the line contains invalid Unicode: write it in UTF-8, and escape surrogates only in pairs")
		}
		if r.Salt == nil {
			return solution, usagef("salt is missing")
		}
		difficulty := solver.ServiceDifficulty
		if r.Difficulty != nil {
			difficulty = *r.Difficulty
		}
		puzzle, err := solver.NewPuzzle(*r.Salt, difficulty)
		if err != nil {
			return solution, err
		}
		if r.Timeout != nil {
			if !(*r.Timeout > 0) || *r.Timeout > math.MaxInt64/1e9 {
				return solution, usagef("timeout is %v: it must be a number of seconds above 0", *r.Timeout)
			}
			timeout := time.Duration(*r.Timeout * float64(time.Second))
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the line's timeout has passed (%v): %w", timeout, context.DeadlineExceeded))
			defer cancel()
		}
		return s.Solve(ctx, puzzle)
	}()
	if utf8.Valid(r.ID) {
		a.ID = r.ID
	}
	if err != nil {
		a.Code, _ = diagnose(&actionError{err})
		a.Error = words(err.Error())
		return a
	}
	a.Nonce, a.Hash = &solution.Nonce, hex.EncodeToString(solution.Hash[:])
	return a
}
