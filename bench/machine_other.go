//go:build !linux

package bench

import "time"

// A system tells of the machine what Go does not know. Here it tells nothing.
type system struct{}

var thisSystem system

func (system) describe(*Machine) {}

func (system) usage() usage { return usage{} }

func (system) cpu() time.Duration { return 0 }
