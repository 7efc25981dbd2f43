//go:build !unix && !windows

package metrics

func readProcess() process { return unknownProcess }
