package workers

import (
	"encoding/json"
	"fmt"
	"slices"

	"warren/streams"
	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
	"warren/workers/internal/jsontext"
)

// argumentPlaces are which arguments of a message are kept apart, and where: a header
// of ours, for the body is the user's. It is also there when one only looks as if.
type argumentPlaces struct {
	Args   map[int]celery.Claim    `json:"args,omitempty"`
	Kwargs map[string]celery.Claim `json:"kwargs,omitempty"`
}

// headerApart has the argumentPlaces.
const headerApart = ourPrefix + "apart"

// places takes the references out of the arguments: what is left is JSON.
func (m *Message) places() (args []json.RawMessage, kwargs map[string]json.RawMessage, at *argumentPlaces) {
	args, kwargs = m.Args, m.Kwargs
	mark := func() *argumentPlaces {
		if at == nil {
			at = &argumentPlaces{Args: map[int]celery.Claim{}, Kwargs: map[string]celery.Claim{}}
		}
		return at
	}
	for i, value := range m.Args {
		if b := celery.ParseReference(value); b != nil {
			mark().Args[i] = *b
			args = slices.Clone(args)
			args[i] = json.RawMessage("null")
		} else if celery.LooksKept(value) {
			mark()
		}
	}
	for name, value := range m.Kwargs {
		if b := celery.ParseReference(value); b != nil {
			mark().Kwargs[name] = *b
			kwargs = canvas.WithValue(kwargs, name, json.RawMessage("null"))
		} else if celery.LooksKept(value) {
			mark()
		}
	}
	return args, kwargs, at
}

// place puts references where they belong among the arguments.
func (m *Message) place(at argumentPlaces) error {
	for i, b := range at.Args {
		if i < 0 || i >= len(m.Args) || b.Check() != nil {
			return celery.Permanent(fmt.Errorf("header %q: there is no argument %d kept so", headerApart, i))
		}
		m.Args[i] = b.Reference()
	}
	for name, b := range at.Kwargs {
		if _, ok := m.Kwargs[name]; !ok || b.Check() != nil {
			return celery.Permanent(fmt.Errorf("header %q: there is no argument %q kept so", headerApart, jsontext.Clip([]byte(name))))
		}
		m.Kwargs[name] = b.Reference()
	}
	return nil
}

// placeAll puts back what is kept apart of the arguments of a message. An earlier
// version had references among the arguments, and no header.
func (m *Message) placeAll(headers streams.Table) error {
	header, there := headers[headerApart]
	if !there {
		if headers["lang"] == "go" {
			m.placeEarlier()
		}
		return nil
	}
	text, ok := header.(string)
	if !ok {
		return celery.Permanent(fmt.Errorf("header %q: it is a %T, not a string", headerApart, header))
	}
	var at argumentPlaces
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		return celery.Permanent(fmt.Errorf("header %q: %w", headerApart, err))
	}
	return m.place(at)
}

func (m *Message) placeEarlier() {
	for i := range m.Args {
		m.Args[i] = celery.ReadEarlier(m.Args[i])
	}
	for name := range m.Kwargs {
		m.Kwargs[name] = celery.ReadEarlier(m.Kwargs[name])
	}
}
