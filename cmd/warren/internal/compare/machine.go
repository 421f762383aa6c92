package compare

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

// ThisMachine is the machine, and the disk that brokers started here keep their
// data on. What the system does not tell is left out.
func ThisMachine(ctx context.Context) (Machine, error) {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	if info, err := host.InfoWithContext(ctx); err == nil {
		m.OS = strings.Join(strings.Fields(runtime.GOOS+" "+info.Platform+" "+info.PlatformVersion), " ")
	}
	if list, err := cpu.InfoWithContext(ctx); err == nil && len(list) > 0 {
		m.CPU = list[0].ModelName
	}
	if memory, err := mem.VirtualMemoryWithContext(ctx); err == nil && memory.Total <= math.MaxInt64 {
		m.Memory = int64(memory.Total)
	}
	dir := os.TempDir()
	m.FileSystem = fileSystem(ctx, dir)
	var err error
	m.Fsync, err = fsyncLatency(dir)
	return m, err
}

// fileSystem is the type of the file system that a directory is on.
func fileSystem(ctx context.Context, dir string) string {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return ""
	}
	mounts, err := disk.PartitionsWithContext(ctx, true)
	if err != nil {
		return ""
	}
	var found disk.PartitionStat
	for _, m := range mounts {
		if within(dir, m.Mountpoint) && len(m.Mountpoint) >= len(found.Mountpoint) {
			found = m
		}
	}
	return found.Fstype
}

func within(dir, mount string) bool {
	rest, err := filepath.Rel(mount, dir)
	return err == nil && rest != ".." && !strings.HasPrefix(rest, ".."+string(filepath.Separator))
}

// fsyncs is how often the disk is asked.
const fsyncs = 50

// fsyncLatency is the median of writing 4 KiB behind a file and syncing it.
func fsyncLatency(dir string) (median time.Duration, err error) {
	f, err := os.CreateTemp(dir, "warren-fsync-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, 4<<10)
	took := make([]time.Duration, fsyncs)
	for i := range took {
		start := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
