package compare

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// precisely runs f on a thread whose pauses end when they should: a timer of Go's
// may be late by a millisecond, and Linux adds 50µs unless asked not to.
func precisely(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// A kernel that refuses makes it only less precise.
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	defer func() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }()
	f()
}

func pause(d time.Duration) {
	left := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&left, &left) == unix.EINTR {
		continue
	}
}
