package streams

// maxBatchBytes bounds the bodies of a batch: the broker keeps them twice.
const maxBatchBytes = 4 << 20

// A selection is what can go next of what waits: the members of a batch, and beside it,
// one by one, messages that can be in none. Of one publisher it has the ones or the
// others, so that its order does not depend on what becomes of the batch.
type selection struct {
	largest int64 // message that the broker takes
	full    bool  // nothing more goes beside the batch

	members, beside []*Confirm
	bytes           int // of the bodies of the members
	from            map[sink]part
}

// A part is what a selection has of a publisher.
type part uint8

const (
	inBatch part = 1 + iota
	besideBatch
	closed // one of its messages has to wait, and so do all behind it
)

// take takes what can go, and gives what has to wait.
func (s *selection) take(waiting []*Confirm) (rest []*Confirm) {
	for i, confirm := range waiting {
		if s.takeOne(confirm) {
			continue
		}
		if rest == nil {
			rest = make([]*Confirm, 0, len(waiting)-i)
		}
		rest = append(rest, confirm)
	}
	return rest
}

// takeOne reports whether a message can go. One whose publisher waits for its answer
// has none before it.
func (s *selection) takeOne(confirm *Confirm) bool {
	to := besideBatch
	if confirm.batchable(s.largest) {
		to = inBatch
	}
	fits := s.fits(confirm, to)
	if confirm.sink != nil {
		was := s.from[confirm.sink]
		if fits = fits && (was == 0 || was == to); !fits {
			to = closed
		}
		if was != to {
			s.note(confirm.sink, to)
		}
	}
	switch {
	case !fits:
		return false
	case to == besideBatch:
		s.beside = append(s.beside, confirm)
	default:
		s.members = append(s.members, confirm)
		s.bytes += len(confirm.msg.Data)
	}
	return true
}

func (s *selection) fits(confirm *Confirm, to part) bool {
	if to == besideBatch {
		return !s.full
	}
	return len(s.members) < maxBatch && s.bytes+len(confirm.msg.Data) <= maxBatchBytes
}

func (s *selection) note(from sink, to part) {
	if s.from == nil {
		s.from = make(map[sink]part)
	}
	s.from[from] = to
}

// batchable reports whether a message can be one of a batch: not if it is traced,
// as the trace of a batch does not tell its messages apart, nor if it may take
// the place of another.
func (c *Confirm) batchable(largest int64) bool {
	return c.place == nil && !c.awaitsTrace && int64(c.msg.Size()+batchHeaders) <= largest
}
