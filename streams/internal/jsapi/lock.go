package jsapi

import (
	"context"
	"sync"
)

// KeyedLocks are locks by name that are waited for with a context. Nothing is kept of a name
// that nobody locks. The zero value is ready to use.
type KeyedLocks struct {
	mu    sync.Mutex
	locks map[string]*keyedLock
}

type keyedLock struct {
	taken chan struct{}
	users int
}

// Lock waits for the lock of a name. The function that it returns releases the lock.
func (k *KeyedLocks) Lock(ctx context.Context, name string) (unlock func(), err error) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = make(map[string]*keyedLock)
	}
	l := k.locks[name]
	if l == nil {
		l = &keyedLock{taken: make(chan struct{}, 1)}
		k.locks[name] = l
	}
	l.users++
	k.mu.Unlock()
	select {
	case l.taken <- struct{}{}:
		return func() { <-l.taken; k.leave(name, l) }, nil
	case <-ctx.Done():
		k.leave(name, l)
		return nil, ctx.Err()
	}
}

// Users returns how many have the lock of a name or wait for it.
func (k *KeyedLocks) Users(name string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.locks[name]; l != nil {
		return l.users
	}
	return 0
}

func (k *KeyedLocks) leave(name string, l *keyedLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(k.locks, name)
	}
}
