package embeddedtest_test

import (
	"testing"

	"warren/embedded/embeddedtest"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	nc := embeddedtest.Connect(t)
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}
