package streams

import (
	"encoding/json"
	"fmt"
)

// The formats of the records of the topology: the one in which they are written, that of a
// queue that expires, or whose messages do, and the latest that is read. A record that says
// none is of the first.
const (
	recordFormat = 2
	expiryFormat = 3
	latestFormat = expiryFormat
)

// formatted is embedded by every record of the topology.
type formatted struct {
	Format int `json:"format,omitempty"`
}

func (f *formatted) stamp()       { f.Format = recordFormat }
func (f *formatted) written() int { return f.Format }

// A stampedRecord says in which format it is written.
type stampedRecord interface {
	stamp()
	written() int
}

// decodeRecord reads a record. One of a later format is refused as that, also if it
// cannot be read for it.
func decodeRecord(data []byte, into stampedRecord) error {
	err := json.Unmarshal(data, into)
	have := into.written()
	if err != nil {
		var f formatted
		_ = json.Unmarshal(data, &f) // what cannot be read has no format
		have = f.Format
	}
	if have > latestFormat {
		return errPrecondition("it has format %d, and this release reads up to %d; use a newer release of Warren", have, latestFormat)
	}
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	return nil
}
