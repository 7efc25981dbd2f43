//go:build !linux

package bench

import "time"

// A system supplies what Go does not report about the machine. On this platform it supplies
// nothing.
type system struct{}

var thisSystem system

func (system) describe(*Machine) {}

func (system) usage() usage { return usage{} }

func (system) cpu() time.Duration { return 0 }
