//go:build unix

package main

import (
	"fmt"
	"syscall"
)

// become replaces this process by the command. It returns only if it fails.
func become(path string, args, variables []string) error {
	return &startError{fmt.Errorf("%s: %w", path, syscall.Exec(path, args, variables)), exitNotExecutable}
}
