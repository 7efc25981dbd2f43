//go:build unix

package diskcache

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwn reports whether the file is the user's.
func isOwn(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// isOpen reports whether others may do anything with the file.
func isOpen(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }
