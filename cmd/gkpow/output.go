package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/gkpow/gkpow/solver"
)

// warn prints a warning.
func warn(env environment, err error) {
	fmt.Fprintf(env.stderr, "gkpow: warning: %s\n", words(err.Error()))
}

// warnFaults warns of kernels that this process no longer uses, because they failed their
// self-test or a search found a wrong result.
func warnFaults(env environment) {
	for _, b := range env.kernels() {
		if b.Fault != nil {
			warn(env, faultOf(b))
		}
	}
}

// faultOf returns an error that says what is wrong with a kernel, and what to do.
func faultOf(b solver.Backend) error {
	return fmt.Errorf("kernel %s is not used, since it computes wrong results on this machine (%w): report it, and check the CPU and memory",
		b.Name, b.Fault)
}

// printJSON writes v as one line of JSON.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// shellQuote quotes s as one word for any POSIX shell.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
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

// A statusRecorder is an http.ResponseWriter that records the status of the response.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}
