package embedded

import "golang.org/x/sys/windows"

// diskSize is the size in bytes of the disk that dir lies on; 0 if unknown.
func diskSize(dir string) int64 {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0
	}
	var total uint64
	if err := windows.GetDiskFreeSpaceEx(name, nil, &total, nil); err != nil {
		return 0
	}
	return int64(total)
}
