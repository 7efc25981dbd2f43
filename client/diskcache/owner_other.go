//go:build !unix

package diskcache

import "io/fs"

// Files have no Unix mode or owner here; the directory's access rights protect them.
func isOwn(fs.FileInfo) bool { return true }

func isOpen(fs.FileInfo) bool { return false }
