package compare

import "sync"

// A fifo is what waits for its turn. Its zero value is empty.
type fifo[T any] struct {
	mu    sync.Mutex
	items []T
	head  int
}

func (f *fifo[T]) push(item T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.items = append(f.items, item)
}

// pop takes the first, which must be there.
func (f *fifo[T]) pop() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	var none T
	item := f.items[f.head]
	f.items[f.head] = none
	f.head++
	switch {
	case f.head == len(f.items):
		f.items, f.head = f.items[:0], 0
	case f.head > 1024 && f.head > len(f.items)/2:
		f.items = append(f.items[:0], f.items[f.head:]...)
		f.head = 0
	}
	return item
}

// popLast takes the last, which must be there.
func (f *fifo[T]) popLast() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	var none T
	last := len(f.items) - 1
	item := f.items[last]
	f.items[last] = none
	f.items = f.items[:last]
	if f.head == len(f.items) {
		f.items, f.head = f.items[:0], 0
	}
	return item
}

func (f *fifo[T]) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.items) - f.head
}
