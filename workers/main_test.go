package workers_test

import (
	"os"
	"testing"

	"warren/embedded/embeddedtest"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(schedulerVariable); url != "" {
		os.Exit(scheduleAt(url))
	}
	embeddedtest.Main(m)
}
