package compare

import (
	"encoding/binary"
	"time"
)

// MinSize is the smallest body that can be measured, in bytes: it says which
// message it is and when it was published.
const MinSize = 20

// clockStart is what times in bodies count from; it has a monotonic clock.
var clockStart = time.Now()

func clock() time.Duration { return time.Since(clockStart) }

// A stamp is what a body says of its message.
type stamp struct {
	publisher int
	sequence  int           // counts the messages of a publisher from 0
	sent      time.Duration // when it was published, or due, by the clock
}

func (s stamp) write(body []byte) {
	binary.BigEndian.PutUint32(body, uint32(s.publisher))
	binary.BigEndian.PutUint64(body[4:], uint64(s.sequence))
	binary.BigEndian.PutUint64(body[12:], uint64(s.sent))
}

// readStamp reads what write has written; false says that it was something else.
func readStamp(body []byte) (stamp, bool) {
	if len(body) < MinSize {
		return stamp{}, false
	}
	return stamp{
		publisher: int(binary.BigEndian.Uint32(body)),
		sequence:  int(binary.BigEndian.Uint64(body[4:])),
		sent:      time.Duration(binary.BigEndian.Uint64(body[12:])),
	}, true
}
