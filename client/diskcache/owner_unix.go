//go:build unix

package diskcache

import (
	"io/fs"
	"os"
	"syscall"
)

// isOwn reports whether the file belongs to the effective user.
func isOwn(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}

// isOpen reports whether the mode gives the group or others any access.
func isOpen(info fs.FileInfo) bool { return info.Mode().Perm()&0o077 != 0 }
