//go:build !linux

package bench

import "time"

// A system reads about the machine what Go does not report. On this platform it reads
// nothing.
type system struct{}

var thisSystem system

func (system) describe(*Machine) {}

func (system) usage() usage { return usage{} }

func (system) cpu() time.Duration { return 0 }
