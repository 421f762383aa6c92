package compare

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// pause ends when it should: a timer of Go's may be late by a millisecond, and Linux
// adds 50µs unless asked not to. The thread is the goroutine's own only for as long:
// on a thread of its own, each message that a publisher hands over wakes another
// thread up, which costs a client several times what it does.
func pause(d time.Duration) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A kernel that refuses makes it only less precise.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }()
	left := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&left, &left) == unix.EINTR {
		continue
	}
}
