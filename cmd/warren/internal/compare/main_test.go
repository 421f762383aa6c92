package compare

import (
	"testing"

	"warren/embedded/embeddedtest"
)

func TestMain(m *testing.M) { embeddedtest.Main(m) }
