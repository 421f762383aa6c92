package embeddedtest

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main runs a package's tests and then fails it if a goroutine of theirs is
// still running. [Process] needs it too. Call it from TestMain, last:
//
//	func TestMain(m *testing.M) { embeddedtest.Main(m) }
func Main(m *testing.M) {
	if runChild() {
		return
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintf(os.Stderr, "goroutines left after the tests: %v\n", err)
			code = 1
		}
	}
	os.Exit(code)
}
