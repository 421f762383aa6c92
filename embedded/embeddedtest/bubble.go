package embeddedtest

import (
	"cmp"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server/ats"

	"warren/embedded"
)

// Bubble runs f under fake time: in it, time stands still while anything is
// running and jumps ahead when everything waits. A server started in it with
// [Connect] or [Start] lives in that time too, so a redelivery in an hour comes
// after exactly an hour, at once:
//
//	func TestRetry(t *testing.T) {
//		embeddedtest.Bubble(t, func(t *testing.T) {
//			nc := embeddedtest.Connect(t)
//			...
//		})
//	}
//
// The bubble ends when every goroutine in it has, the ones that f started
// included; connections and servers of this package are closed for it. See
// [synctest.Test] for what else holds in a bubble.
//
// Two things do not go together with fake time. A server that listens: waiting
// for the network is not waiting for time. And other tests that run meanwhile,
// because the client hands its timers from one connection to the next, and one
// that is taken out of its bubble ends the process: a test with a bubble must
// not be parallel, and fails if it is.
//
// A virtual day with a server takes about half a second: stay within hours.
func Bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	isolate(t)

	// The server tells the time of day with one ticker per process, which the
	// first user starts: in the bubble, it would have to wait for the bubble's
	// end, which waits for it.
	ats.Register()
	defer ats.Unregister()

	// One thread at a time: where timers of a bubble are due at one moment, two may
	// run them with one context of the race detector, which crashes it.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))

	dropPools()
	defer dropPools()
	synctest.Test(t, func(t *testing.T) {
		bubbles.Store(t, true)
		t.Cleanup(func() { bubbles.Delete(t) })
		f(t)
	})
}

// isolate fails a parallel test. Setting a variable does nothing more than that:
// it is forbidden for a test that runs beside others.
func isolate(tb testing.TB) {
	tb.Helper()
	defer func() {
		if p := recover(); p != nil {
			tb.Fatal(fmt.Sprint("a test with a bubble runs alone: take out t.Parallel (", p, ")"))
		}
	}()
	tb.Setenv("EMBEDDEDTEST_BUBBLE", tb.Name())
}

// dropPools empties every sync.Pool: the first collection sets their contents
// aside, the second one drops them.
func dropPools() {
	runtime.GC()
	runtime.GC()
}

// bubbles are the tests whose time is fake.
var bubbles sync.Map

// forBubble leaves out what cannot work in a bubble, and what would have the
// server do something each second of many hours.
func forBubble(tb testing.TB, cfg embedded.Config) embedded.Config {
	tb.Helper()
	if cfg.Port != 0 {
		tb.Fatal("a server that listens keeps fake time from passing: leave out Port")
	}
	cfg.SyncInterval = cmp.Or(cfg.SyncInterval, 24*time.Hour)
	if cfg.Limited == nil {
		cfg.Limited = []string{}
	}
	return cfg
}

func inBubble(tb testing.TB) bool {
	tb.Helper()
	_, ok := bubbles.Load(tb)
	return ok
}
