package workers_test

import (
	"os"
	"testing"

	"warren/embedded/embeddedtest"
)

func TestMain(m *testing.M) {
	if code, ok := runMate(); ok {
		os.Exit(code)
	}
	if url := os.Getenv(schedulerVariable); url != "" {
		os.Exit(scheduleAt(url))
	}
	embeddedtest.Main(m)
}
