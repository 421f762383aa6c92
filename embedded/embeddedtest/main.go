package embeddedtest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// Main runs a package's tests and then fails it if a goroutine of theirs is
// still running; it does not return. [Process] needs it too.
//
//	func TestMain(m *testing.M) { embeddedtest.Main(m) }
func Main(m *testing.M) {
	if code, ok := runChild(); ok {
		os.Exit(code)
	}
	os.Exit(Run(m))
}

// Run runs a package's tests and gives the exit code, which says a failure too if a
// goroutine of theirs is still running. It is for a TestMain that has more to do than
// [Main] has.
func Run(m *testing.M) int {
	code := m.Run()
	clocked.remove()
	if code == 0 {
		if err := findLeaks(); err != nil {
			fmt.Fprintf(os.Stderr, "goroutines left after the tests: %v\n", err)
			code = 1
		}
	}
	return code
}

// madeAsItStopped are goroutines that nats-server leaves behind if it is asked for a stream
// as it stops: it makes the stream, and nobody stops that any more. A server that is not
// stopped has others.
var madeAsItStopped = []goleak.Option{
	goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
	goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"),
}

// abandoned is how long nats-server keeps a batch whose commit does not come, in
// goroutines of its own: also one that it took in as it stopped.
const abandoned = 10 * time.Second

// findLeaks gives the goroutines that stay.
func findLeaks() error {
	until := time.Now().Add(abandoned + 5*time.Second)
	for {
		err := goleak.Find(madeAsItStopped...)
		if err == nil || time.Now().After(until) {
			return err
		}
	}
}
