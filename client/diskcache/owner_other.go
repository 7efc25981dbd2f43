//go:build !unix

package diskcache

import "io/fs"

// Where modes mean nothing, the directory's access rights decide.
func isOwn(fs.FileInfo) bool { return true }

func isOpen(fs.FileInfo) bool { return false }
