package streams

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestView_AnEmptyOneIsBelievedOnlyWhenQuiet: a message that was stored just now
// may not be counted yet.
func TestView_AnEmptyOneIsBelievedOnlyWhenQuiet(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for what, test := range map[string]struct {
		info  jetstream.ConsumerInfo
		state jetstream.StreamState
		want  bool
	}{
		"empty, stored just now":   {jetstream.ConsumerInfo{TimeStamp: now}, jetstream.StreamState{LastSeq: 9, LastTime: now.Add(-100 * time.Millisecond)}, false},
		"empty for a while":        {jetstream.ConsumerInfo{TimeStamp: now}, jetstream.StreamState{LastSeq: 9, LastTime: now.Add(-2 * time.Second)}, true},
		"nothing was ever stored":  {jetstream.ConsumerInfo{TimeStamp: now}, jetstream.StreamState{}, true},
		"something waits":          {jetstream.ConsumerInfo{TimeStamp: now, NumPending: 1}, jetstream.StreamState{LastSeq: 9, LastTime: now.Add(-time.Hour)}, false},
		"something is held":        {jetstream.ConsumerInfo{TimeStamp: now, NumAckPending: 1}, jetstream.StreamState{LastSeq: 9, LastTime: now.Add(-time.Hour)}, false},
		"all up to it are settled": {jetstream.ConsumerInfo{TimeStamp: now, NumPending: 1, AckFloor: jetstream.SequenceInfo{Stream: 7}}, jetstream.StreamState{LastSeq: 9, LastTime: now}, true},
		"all but one are":          {jetstream.ConsumerInfo{TimeStamp: now, NumPending: 1, AckFloor: jetstream.SequenceInfo{Stream: 6}}, jetstream.StreamState{LastSeq: 9, LastTime: now.Add(-time.Hour)}, false},
	} {
		if got := passed(&test.info, test.state, 7); got != test.want {
			t.Errorf("%s: passed is %t, want %t", what, got, test.want)
		}
	}
}

// TestUser_AnOlderRecordChangesNothing: of one life of a queue the latest version
// holds, and of another life any.
func TestUser_AnOlderRecordChangesNothing(t *testing.T) {
	t.Parallel()
	n := &node{site: &site{}, link: &link{}, epoch: &epoch{}, uses: newUses(nil, nil), queues: &queues{site: &site{}, epoch: &epoch{}}}
	u := newUser(&Session{node: n}, "q", newDispatcher("q", nodeHost{n, "q"}))
	for _, step := range []struct {
		life          string
		version, want uint64
	}{{"one", 2, 2}, {"one", 1, 2}, {"one", 3, 3}, {"two", 1, 1}, {"two", 0, 1}} {
		u.obey(&queueRecord{Queue: Queue{Name: "q"}, Life: step.life, Version: step.version})
		if got := u.record(); got.Version != step.want || got.Life != step.life {
			t.Errorf("told of version %d of life %s: it obeys version %d of life %s, want version %d", step.version, step.life, got.Version, got.Life, step.want)
		}
	}
}
