package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/natefinch/atomic"
)

// An output is a file that a flag names. gkpow writes a temporary file and renames it, so
// that the file is complete at any moment. It writes to devices and pipes directly.
type output struct {
	flag  string
	path  string      // "" if the flag is not given
	mode  fs.FileMode // for a file that does not exist yet
	plain bool
}

// newOutput checks that the file can be written.
func newOutput(flag, path string, asked bool) (o output, err error) {
	if !asked {
		return output{}, nil
	}
	if path == "" || path == "-" {
		return o, usagef("--%s %q is not a file name", flag, path)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // otherwise, the new file would replace the link
	}
	o = output{flag: flag, path: path, plain: true}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return o, o.wrap(errors.New("it is a directory"))
	case err == nil && !info.Mode().IsRegular():
		o.plain = false
		return o, nil
	case err == nil:
		o.mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return o, o.wrap(err)
	}
	// A temporary file beside it shows whether it can be created, and which mode a new file gets.
	probe, err := os.OpenFile(fmt.Sprintf("%s.%d", path, os.Getpid()), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		var failure *fs.PathError
		if errors.As(err, &failure) {
			err = failure.Err // without the name of the temporary file
		}
		return o, o.wrap(err)
	}
	defer os.Remove(probe.Name())
	defer probe.Close()
	if o.mode == 0 {
		made, err := probe.Stat()
		if err != nil {
			return o, o.wrap(err)
		}
		o.mode = made.Mode().Perm()
	}
	return o, nil
}

// handover is the time that the reader of a pipe has to read a report after the command's context
// has ended.
const handover = time.Second

// write fills the file, if there is one. It writes a plain file even after the context has
// ended, but gives up on a pipe, which may never have a reader.
func (o output) write(ctx context.Context, f func(io.Writer) error) error {
	if o.path == "" {
		return nil
	}
	var content bytes.Buffer
	if err := f(&content); err != nil {
		return o.wrap(err)
	}
	if !o.plain {
		patient, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
		defer cancel(nil)
		defer context.AfterFunc(ctx, func() {
			time.AfterFunc(handover, func() { cancel(context.Cause(ctx)) })
		})()
		_, err := await(patient, "a reader", func() (struct{}, error) {
			return struct{}{}, os.WriteFile(o.path, content.Bytes(), o.mode)
		})
		return o.wrap(err)
	}
	if err := atomic.WriteFile(o.path, &content); err != nil {
		return o.wrap(err)
	}
	return o.wrap(os.Chmod(o.path, o.mode))
}

func (o output) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("--%s %s: %w", o.flag, o.path, err)
}
