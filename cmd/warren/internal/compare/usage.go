package compare

import (
	"cmp"
	"context"
	"math"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	netstat "github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

// processUsage is what a process of this machine has used.
func processUsage(ctx context.Context, pid int) (Usage, bool) {
	if pid < 1 || pid > math.MaxInt32 {
		return Usage{}, false
	}
	p, err := process.NewProcessWithContext(ctx, int32(pid))
	if err != nil {
		return Usage{}, false
	}
	times, err := p.TimesWithContext(ctx)
	if err != nil {
		return Usage{}, false
	}
	memory, err := p.MemoryInfoWithContext(ctx)
	if err != nil || memory.RSS > math.MaxInt64 {
		return Usage{}, false
	}
	cpu := time.Duration((times.User + times.System) * float64(time.Second))
	return Usage{CPU: cpu, Memory: int64(memory.RSS)}, true
}

// A listener is the process that listens at an address of this machine, if the
// user may look at it. Finding it takes a while, so it is looked for once.
type listener struct {
	address, defaultPort string

	once sync.Once
	pid  int
}

func (l *listener) usage(ctx context.Context) (Usage, bool) {
	l.once.Do(func() { l.pid = l.find(ctx) })
	return processUsage(ctx, l.pid)
}

// find gives the process, or 0.
func (l *listener) find(ctx context.Context) int {
	u, err := url.Parse(l.address)
	if err != nil || !local(ctx, u.Hostname()) {
		return 0
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), l.defaultPort), 10, 16)
	if err != nil {
		return 0
	}
	all, err := netstat.ConnectionsWithContext(ctx, "tcp")
	if err != nil {
		return 0
	}
	for _, c := range all {
		if c.Status == "LISTEN" && uint64(c.Laddr.Port) == port && c.Pid > 0 {
			return int(c.Pid)
		}
	}
	return 0
}

// local reports whether a host is this machine by its loopback.
func local(ctx context.Context, host string) bool {
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	return err == nil && len(ips) > 0 && ips[0].IP.IsLoopback()
}
