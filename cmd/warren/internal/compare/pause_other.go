//go:build !linux

package compare

import "time"

// precisely runs f; its pauses are as precise as Go's timers.
func precisely(f func()) { f() }

func pause(d time.Duration) { time.Sleep(d) }
