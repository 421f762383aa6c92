//go:build linux || darwin || freebsd

package embedded

import "syscall"

// diskSize is the size in bytes of the disk that dir lies on; 0 if unknown.
func diskSize(dir string) int64 {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0
	}
	return int64(st.Blocks * uint64(st.Bsize))
}
