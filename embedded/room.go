package embedded

import (
	"fmt"
	"time"
)

// reserve is what publishers leave to what consuming needs: registrations, results,
// acknowledgements, and the server's own files. It is larger than what they can
// publish between two looks of a guard on a busy machine.
const reserve = 64 << 20

// A tank is something that messages fill.
type tank struct {
	what   string // "the memory limit is reached"
	used   int64
	limit  int64 // of publishers
	remedy string
}

// room is how many bytes are left until publishers must stop.
func (t tank) room() int64 { return t.limit - t.used }

// margin keeps publishers from being let in and stopped again at every message.
func (t tank) margin() int64 { return min(t.limit/32, reserve/8) }

func (t tank) String() string {
	return fmt.Sprintf("%s: %d of %d bytes are used; %s", t.what, t.used, t.limit, t.remedy)
}

// tanks measures all there are. The disk is left out where its size is unknown.
func (g *guard) tanks() ([]tank, error) {
	js, err := g.nats.Jsz(nil)
	if err != nil || js.Disabled {
		return nil, err
	}
	cfg := g.s.cfg
	list := []tank{
		{"the memory limit is reached", int64(js.Memory), cfg.MaxMemory,
			"consume or purge queues that are not durable, or raise MaxMemory"},
		{"the store limit is reached", int64(js.Store), cfg.MaxStore,
			"consume or purge durable queues, or raise MaxStore"},
	}
	if disk, known := diskSpace(g.s.dir.path); known {
		list = append(list, tank{"the disk is full", disk.used(), disk.total - min(reserve, disk.total/4),
			"consume or purge durable queues, or remove other files from the disk of " + g.s.dir.path})
	}
	return list, nil
}

// disk is the size of a file system and what of it this user may still write.
type disk struct{ total, free int64 }

func (d disk) used() int64 { return d.total - d.free }

// The fastest publishers, in bytes a second, and how often to look at least and at
// most: publishers must not fill a reserve between two looks.
const (
	fastest    = 2 << 30
	shortest   = 2 * time.Millisecond
	longest    = time.Second
	whileShort = 25 * time.Millisecond
	never      = 1 << 62
)

// nextLook is when publishers may have used up the room that is left.
func nextLook(room int64) time.Duration {
	seconds := float64(room) / fastest
	return min(longest, max(shortest, time.Duration(seconds*float64(time.Second))))
}
