package streams

import (
	"context"
	"sync"
	"time"
)

// company is what a dispatcher knows of other processes that use its queue. It asks only
// when it has messages that it can give to nobody, or one that comes back again and again:
// alone it keeps them.
type company struct {
	mu        sync.Mutex
	listening bool // to who begins to use the queue
	looking   bool
	looked    time.Time
	there     bool
	alone     bool // nobody is there, and nobody has begun since
	began     int  // how often somebody began, or may have
}

// knownFor is how long it is believed that another process uses the queue. Of one that
// begins to, the dispatcher is told.
const knownFor = 2 * time.Second

// look says whether it is known that others use the queue; otherwise whoever calls looks,
// if nobody does.
func (c *company) look() (there, begin bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.alone || c.there && time.Since(c.looked) < knownFor
	if known || c.looking {
		return c.there, false
	}
	c.looking = true
	return c.there, true
}

// found ends a look that began when so many had begun to use the queue. Who began since
// then may have been overlooked.
func (c *company) found(there bool, began int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looking = false
	if err == nil && (there || began == c.began) {
		c.there, c.alone, c.looked = there, !there, time.Now()
	}
}

// joined notes that another process has begun to use the queue.
func (c *company) joined() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.began++
	c.there, c.alone, c.looked = true, false, time.Now()
}

// doubt notes that another process may have begun to, as the connection was away.
func (c *company) doubt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.began++
	c.alone = false
}

func (c *company) begun() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.began
}

// hasCompany reports whether another process is known to use the queue, and sees to it
// that this is known soon.
func (d *dispatcher) hasCompany() bool {
	there, begin := d.company.look()
	if begin && !d.host.run(d.lookForCompany) {
		d.company.found(false, 0, context.Canceled)
	}
	return there
}

// meetCompany gives what is ready and nobody has room for back to the broker, if another
// process uses the queue.
func (d *dispatcher) meetCompany() {
	if d.waiting.Load() > 0 && d.hasCompany() {
		d.surrender()
	}
}

func (d *dispatcher) lookForCompany() {
	there, err := false, d.listenForCompany()
	began := d.company.begun()
	if err == nil {
		there, err = d.host.others()
	}
	d.company.found(there, began, err)
	if there {
		d.surrender()
	}
}

// listenForCompany has the dispatcher told of processes that begin to use the queue.
func (d *dispatcher) listenForCompany() error {
	d.company.mu.Lock()
	defer d.company.mu.Unlock()
	if d.company.listening {
		return nil
	}
	err := d.host.listen(d.over, func() {
		d.company.joined()
		d.surrender()
	})
	d.company.listening = err == nil
	return err
}

// heldUnseen is how many heartbeats a message waits here that nobody was shown, although
// others could have it: the broker would mark it as redelivered for them.
const heldUnseen = 5

// surrender gives what is ready back to the broker, unless somebody has room for it.
func (d *dispatcher) surrender() {
	d.mu.Lock()
	var back []fetched
	if !d.hasRoom() {
		back = d.ready.takeOut(func(m *fetched) bool { return m.delivered > 1 || d.idle >= heldUnseen })
		d.waiting.Store(int64(d.ready.len()))
	}
	d.mu.Unlock()
	d.handBack(back)
}

// beat counts the heartbeats for which nobody has had room for what is ready.
func (d *dispatcher) beat() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.idle++; d.ready.len() == 0 || d.hasRoom() {
		d.idle = 0
	}
}

// hasRoom reports whether a consumer may be given something. The lock is held.
func (d *dispatcher) hasRoom() bool {
	free, _, _ := d.main.room()
	for _, f := range d.shared {
		some, _, _ := f.room()
		free += some
	}
	return free > 0
}
