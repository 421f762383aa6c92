//go:build linux || darwin || freebsd

package embedded

import "syscall"

// diskSpace measures the disk that dir lies on.
func diskSpace(dir string) (disk, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return disk{}, false
	}
	free := int64(uint64(st.Bavail) * uint64(st.Bsize)) //nolint:unconvert // Bavail is signed on some systems
	// What only root may write is neither used nor free.
	used := int64((st.Blocks - st.Bfree) * uint64(st.Bsize))
	return disk{total: used + free, free: free}, true
}
