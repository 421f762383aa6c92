package workers

import (
	"maps"
	"reflect"
	"slices"
	"strconv"

	"warren/streams"
)

// receive reads a task from a queue. What is to follow it is frozen already when
// it was sent from here; of other programs it is frozen now, and gets the same
// ids each time.
func (c *client) receive(in streams.Message) (*Message, error) {
	m, err := decodeMessage(in)
	if err != nil || in.Headers["lang"] == "go" {
		return m, err
	}
	m.received = maps.Clone(in.Headers)
	m.received["lang"] = "go" // should it be sent again
	return m, c.adopt(m)
}

func (c *client) adopt(m *Message) error {
	n := 0
	f := freezer{complete: c.complete, newID: func() string {
		n++
		return m.ID + "=" + strconv.Itoa(n)
	}}
	e := &m.Embed
	for _, list := range [][]Signature{e.Callbacks, e.Errbacks, e.Chain} {
		for i := range list {
			if err := measure(&list[i]); err != nil {
				return err
			}
		}
	}
	e.Callbacks = f.freezeAll(e.Callbacks, anyType)
	e.Errbacks = f.freezeAll(e.Errbacks, reflect.TypeFor[Failure]())
	if len(e.Chain) > 0 {
		e.Chain = f.freezeRest(e.Chain)
	}
	return f.err
}

// freezeRest freezes the rest of a chain, whose next step is the last.
func (f *freezer) freezeRest(rest []Signature) []Signature {
	steps := slices.Clone(rest)
	slices.Reverse(steps)
	chain, _ := f.freeze(Signature{Kind: KindChain, Tasks: steps}, CallOptions{}, anyType)
	if chain.Kind != KindChain {
		return []Signature{chain}
	}
	slices.Reverse(chain.Tasks)
	return chain.Tasks
}
