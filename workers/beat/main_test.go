package beat_test

import (
	"os"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/workers/internal/beattest"
)

func TestMain(m *testing.M) {
	if code, ok := beattest.Main(); ok {
		os.Exit(code)
	}
	embeddedtest.Main(m)
}
