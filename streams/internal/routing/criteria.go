package routing

import (
	"strings"

	"warren/streams/internal/amqp"
)

// criteria is what a binding of a headers exchange asks of a message.
type criteria struct {
	any    bool // one criterion is enough
	fields []criterion
}

type criterion struct {
	key   string
	value any // nil asks for any value
}

// checkCriteria refuses the arguments of a binding of a headers exchange whose
// x-match is not one of AMQP's.
func checkCriteria(args amqp.Table) error {
	mode, ok := args["x-match"]
	if !ok {
		return nil
	}
	switch mode {
	case "all", "any", "all-with-x", "any-with-x":
		return nil
	}
	return amqp.Errorf(amqp.ErrPreconditionFailed, "x-match is %#v: expected all, any, all-with-x, or any-with-x", mode)
}

// newCriteria reads the arguments of a binding. Keys that begin with x- are
// criteria only where x-match says so, and x-match itself never is.
func newCriteria(args amqp.Table) criteria {
	mode, _ := args["x-match"].(string)
	kind, withX := strings.CutSuffix(mode, "-with-x")
	c := criteria{any: kind == "any"}
	for key, value := range args {
		if key == "x-match" || !withX && strings.HasPrefix(key, "x-") {
			continue
		}
		c.fields = append(c.fields, criterion{key, value})
	}
	return c
}

// always reports whether every message meets the criteria, never whether none
// does.
func (c criteria) always() bool { return !c.any && len(c.fields) == 0 }
func (c criteria) never() bool  { return c.any && len(c.fields) == 0 }

func (c criteria) match(headers amqp.Table) bool {
	for _, f := range c.fields {
		value, ok := headers[f.key]
		met := ok && (f.value == nil || amqp.EqualValues(f.value, value))
		if met == c.any {
			return c.any
		}
	}
	return !c.any
}
