package celery

import (
	"bytes"
	"encoding/json"
	"fmt"

	"warren/workers/internal/jsontext"
)

// A Claim is a claim check: it says where a value is kept that is too large for the messages and records it
// would travel in: in pieces, in the store. In memory it stands in place of the value,
// see Reference; in a message it is a header and in a record a field of its own, so
// that no value of a user's can be taken for one.
type Claim struct {
	ID     string `json:"id,omitempty"`
	Size   int    `json:"size,omitempty"`
	Pieces int    `json:"pieces,omitempty"`
}

// Check refuses what is no claim.
func (b Claim) Check() error {
	if b.Size < 1 || b.Pieces < 1 || b.Pieces > b.Size {
		return Permanent(fmt.Errorf("a large value of %d bytes is in %d pieces", b.Size, b.Pieces))
	}
	return CheckID(b.ID)
}

// referenceMark begins a reference. No JSON does.
const referenceMark = "\x00"

// Reference stands in place of a value that is kept apart.
func (b Claim) Reference() json.RawMessage {
	text, _ := json.Marshal(b) // numbers and a text
	return append([]byte(referenceMark), text...)
}

// IsReference reports whether something stands in place of a value.
func IsReference(value json.RawMessage) bool { return bytes.HasPrefix(value, []byte(referenceMark)) }

// ParseReference undoes Reference; nil for other values.
func ParseReference(value json.RawMessage) *Claim {
	text, ok := bytes.CutPrefix(value, []byte(referenceMark))
	b := new(Claim)
	if !ok || json.Unmarshal(text, b) != nil {
		return nil
	}
	return b
}

// Apart writes a value into a record: as it is, or where it is kept. An empty Claim says
// of a value that it is no reference, although it looks like one of an earlier version.
func Apart(value json.RawMessage) (text json.RawMessage, at *Claim) {
	if b := ParseReference(value); b != nil {
		return nil, b
	}
	if LooksKept(value) {
		return value, &Claim{}
	}
	return value, nil
}

// Together undoes Apart.
func Together(text json.RawMessage, at *Claim) (json.RawMessage, error) {
	switch {
	case at == nil:
		return ReadEarlier(text), nil
	case *at == Claim{}:
		return text, nil
	}
	return at.Reference(), at.Check()
}

// An earlierClaim is what stood in place of a large value among the arguments, before
// references had a place of their own.
type earlierClaim struct {
	ID     string `json:"warren.blob"`
	Size   int    `json:"size"`
	Pieces int    `json:"pieces"`
}

// LooksKept reports whether a value could be taken for an earlierClaim.
func LooksKept(value json.RawMessage) bool {
	return bytes.HasPrefix(value, []byte(`{"warren.blob":`))
}

// ReadEarlier makes a reference of an earlierClaim; other values are what they are.
func ReadEarlier(value json.RawMessage) json.RawMessage {
	if !LooksKept(value) {
		return value
	}
	var b earlierClaim
	if json.Unmarshal(value, &b) != nil || Claim(b).Check() != nil {
		return value
	}
	if again, err := jsontext.Marshal(b); err != nil || !bytes.Equal(again, value) {
		return value
	}
	return Claim(b).Reference()
}
