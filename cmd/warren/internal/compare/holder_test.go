package compare

import (
	"strings"
	"testing"
)

// TestHoldWithoutAnOrder: who calls the hidden command learns what it is for.
func TestHoldWithoutAnOrder(t *testing.T) {
	t.Parallel()
	err := Hold(t.Context(), "nonsense", strings.NewReader(""), t.Output())
	if err == nil || !strings.Contains(err.Error(), "is for 'warren compare' to call") {
		t.Errorf("got %v, want what it is for", err)
	}
}
