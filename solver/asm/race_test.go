//go:build race

package asm

func init() { raceDetector = true }
