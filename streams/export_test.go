package streams

import "time"

// Gather makes a publisher take a stream for one that is slow from the start, and
// for good: what waits for it goes in batches.
func Gather(p *Publisher, exchange, key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.laneOf(&Confirm{exchange: exchange, key: key})
	l.begin()
	l.probe = 1 << 30
	l.pace.single.fill(time.Hour)
	l.pace.fixed.fill(0)
}
