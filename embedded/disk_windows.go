package embedded

import "golang.org/x/sys/windows"

// diskSpace measures the disk that dir lies on.
func diskSpace(dir string) (disk, bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return disk{}, false
	}
	var free, total uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, &total, nil); err != nil {
		return disk{}, false
	}
	return disk{total: int64(total), free: int64(free)}, true
}
