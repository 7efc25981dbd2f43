//go:build !linux

package bench

// A system tells of the machine what Go does not know. Here it tells nothing.
type system struct{}

var thisSystem system

func (system) describe(*Machine) {}

func (system) usage() usage { return usage{} }
