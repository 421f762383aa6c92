//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// removed reports whether an open file has no name any more: nobody will find what
// is written to it.
func removed(file *os.File) bool {
	info, err := file.Stat()
	if err != nil {
		return true
	}
	system, ok := info.Sys().(*syscall.Stat_t)
	return ok && system.Nlink == 0
}

// syncName has a new file's name on the disk, too. A file system that cannot do
// that does it by itself.
func syncName(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil // a directory that may be written and not read
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil
	}
	return errors.Join(err, dir.Close())
}
