package streams

import "testing"

// TestExchange_ReadBeforeAChange: what a publisher read of an exchange before it was told of
// a change is not kept after it.
func TestExchange_ReadBeforeAChange(t *testing.T) {
	t.Parallel()
	var c exchangeCache
	for what, change := range map[string]func(){"of it": func() { c.forget("x") }, "of all": c.clear} {
		_, _, changes := c.look("x")
		change()
		c.note("x", knownExchange{subject: "old"}, changes)
		if known, is, _ := c.look("x"); is {
			t.Errorf("a change %s: %v is kept that was read before", what, known)
		}
	}
	_, _, changes := c.look("x")
	c.note("x", knownExchange{subject: "new"}, changes)
	if _, is, _ := c.look("x"); !is {
		t.Error("what was read with no change behind it is not kept")
	}
}
