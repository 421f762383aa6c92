package differential

import (
	"flag"
	"testing"

	"warren/embedded/embeddedtest"
)

func TestMain(m *testing.M) {
	// Scenarios spend their time waiting for brokers, not computing.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	embeddedtest.Main(m)
}
