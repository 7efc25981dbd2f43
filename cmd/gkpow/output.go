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

// warnFaults warns of kernels that this process does not use, because their
// self-test failed or because a search has caught them in an error.
func warnFaults(env environment) {
	for _, b := range env.kernels() {
		if b.Fault != nil {
			warn(env, faultOf(b))
		}
	}
}

// faultOf says what is wrong with a kernel, and what the person can do.
func faultOf(b solver.Backend) error {
	return fmt.Errorf("kernel %s is not used, since this machine runs it wrongly (%w): report it, and check the machine's CPU and memory",
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

// readLimited reads a file of at most 1 MiB, or standard input if the name is "-".
// It returns when the context ends, whatever the file is: a FIFO or a terminal may
// have nothing to read for ever.
func readLimited(ctx context.Context, name string, stdin io.Reader) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	read := make(chan result, 1)
	go func() {
		data, err := readAll(name, stdin)
		read <- result{data, err}
	}()
	select {
	case r := <-read:
		return r.data, r.err
	case <-ctx.Done():
		source := name
		if name == "-" {
			source = "standard input"
		}
		return nil, fmt.Errorf("still waiting for %s: %w", source, context.Cause(ctx))
	}
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
