package streams

import "testing"

// TestCompany_WhoBeginsMeanwhile: a look that does not see who begins while it is under way
// is not believed.
func TestCompany_WhoBeginsMeanwhile(t *testing.T) {
	t.Parallel()
	var c company
	if there, begin := c.look(); there || !begin {
		t.Fatalf("at first: there %t, begin %t", there, begin)
	}
	began := c.begun()
	c.joined()
	c.found(false, began, nil)
	if there, _ := c.look(); !there {
		t.Error("who began is overlooked")
	}
}

// TestCompany_AfterAnOutage: what was known before the connection was away is looked at
// again.
func TestCompany_AfterAnOutage(t *testing.T) {
	t.Parallel()
	var c company
	c.look()
	c.found(false, c.begun(), nil)
	if _, begin := c.look(); begin {
		t.Error("it is looked at again although nobody began")
	}
	c.doubt()
	if _, begin := c.look(); !begin {
		t.Error("it is not looked at again after an outage")
	}
}
