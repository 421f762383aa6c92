//go:build !linux

package compare

import "time"

func pause(d time.Duration) { time.Sleep(d) }
