package streams

// A backlog is what waits for a handler, oldest first. It keeps its memory: a
// consumer that is kept up with has room for the next delivery already.
type backlog struct {
	list []*Delivery
	head int // of the list, what was taken
}

func (b *backlog) len() int { return len(b.list) - b.head }

func (b *backlog) push(d *Delivery) { b.list = append(b.list, d) }

// pop takes the oldest. There must be one.
func (b *backlog) pop() *Delivery {
	d := b.list[b.head]
	b.list[b.head] = nil
	b.head++
	switch {
	case b.head == len(b.list):
		b.list, b.head = b.list[:0], 0
	case b.head >= 64 && b.head*2 >= len(b.list):
		n := copy(b.list, b.list[b.head:])
		clear(b.list[n:])
		b.list, b.head = b.list[:n], 0
	}
	return d
}

// drain takes all.
func (b *backlog) drain() []*Delivery {
	list := b.list[b.head:]
	*b = backlog{}
	return list
}
