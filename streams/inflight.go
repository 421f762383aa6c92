package streams

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/nats-io/nats.go"

	"warren/streams/internal/jsapi"
)

// An inFlight is a batch that is being sent, or has no answer yet. The answer to its
// commit tells what became of all its messages.
type inFlight struct {
	selection
	b     *batcher
	early bool // it begins before all have come that are expected
	began time.Time
}

// probeSize is how many messages go one by one to see how long they take.
const probeSize = enough

// launch sends what waits. The lock is held.
func (b *batcher) launch() {
	if b.ready() {
		b.flying = true
		b.n.run(b.fly) // a node that is over has failed them all
	}
}

// fly sends what goes next: a batch, or singles. First it lets those run that were
// waiting for the answers to the last batch: they may have more to publish.
func (b *batcher) fly() {
	if b.n.awaitOnline(b.n.ctx) != nil || b.rest() != nil {
		return
	}
	runtime.Gosched()
	early := b.opensEarly()
	if !early {
		b.linger()
	}
	if f, singles := b.next(early); f != nil {
		f.fly()
	} else {
		b.flySingles(singles)
	}
}

// opensEarly reports whether a batch begins with what waits, although more is expected:
// the broker makes ready for it meanwhile, which takes longer than anything else.
func (b *batcher) opensEarly() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := len(b.waiting)
	return b.caution == careless && n > 1 && n < b.expected && !b.probeDue() && b.cost.goesOn(b.expected, 0)
}

// next is what goes next: a batch, or if there is none singles.
func (b *batcher) next(early bool) (*inFlight, []*Confirm) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = stillOpen(b.waiting)
	if singles := b.careful(); len(singles) > 0 {
		return nil, singles
	}
	f := &inFlight{b: b, selection: selection{largest: b.n.maxPayload.Load()}}
	rest := f.take(b.waiting)
	n := len(f.members)
	more := b.expected - n
	if f.early = early && n > 1 && more > 0; f.early {
		n = b.expected
	}
	batch, probe := b.batchNext(n, f.bytes)
	switch {
	case batch:
		b.waiting = rest
		if f.early {
			b.expected = more
		}
		for _, confirm := range f.beside {
			b.alone(confirm)
		}
		return f, nil
	case probe && len(b.waiting) > probeSize:
		singles := b.waiting[:probeSize:probeSize]
		b.waiting = b.waiting[probeSize:]
		return nil, singles
	}
	return nil, b.takeAll()
}

// linger waits for the messages that are expected with those that wait.
func (b *batcher) linger() {
	b.mu.Lock()
	complete, most := b.lingers()
	b.mu.Unlock()
	if complete == nil {
		return
	}
	over := time.NewTimer(most)
	defer over.Stop()
	select {
	case <-complete:
	case <-over.C:
	case <-b.n.ctx.Done():
	}
	b.mu.Lock()
	b.complete = nil
	b.mu.Unlock()
}

// rest waits for as long as a batcher is to pause.
func (b *batcher) rest() error {
	b.mu.Lock()
	pause := b.pause
	b.pause = 0
	b.mu.Unlock()
	if pause == 0 {
		return nil
	}
	return jsapi.Sleep(b.n.ctx, pause)
}

// takeBack takes a message back that no stream took, to publish it again.
func (b *batcher) takeBack(confirm *Confirm) error {
	pause := confirm.pause()
	if time.Until(confirm.deadline) < pause {
		return errNotTaken(context.DeadlineExceeded)
	}
	b.n.confirms.waits(confirm)
	b.mu.Lock()
	defer b.mu.Unlock()
	if !isClosed(confirm.done) {
		b.insert(confirm, pause)
		b.launch()
	}
	return nil
}

// stillOpen are those that have no answer, of a list that may change.
func stillOpen(list []*Confirm) []*Confirm {
	still := list[:0]
	for _, confirm := range list {
		if !isClosed(confirm.done) {
			still = append(still, confirm)
		}
	}
	clear(list[len(still):])
	return still
}

// flySingles sends messages one behind the other, each by itself. Where the batcher
// has gathered in vain, it goes on until none waits, as others may go at once
// from then on.
func (b *batcher) flySingles(list []*Confirm) {
	for {
		b.mu.Lock()
		list = stillOpen(list)
		for _, confirm := range list {
			b.alone(confirm)
		}
		if len(list) > 0 {
			b.answers.sent(list[len(list)-1], b.open)
		}
		b.mu.Unlock()
		if !b.writeSingles(list) {
			return
		}
		b.mu.Lock()
		if !b.inVain() || len(b.waiting) == 0 {
			break
		}
		list = b.takeAll()
		b.mu.Unlock()
	}
	defer b.mu.Unlock()
	b.gathering = !b.inVain()
	b.land()
}

// writeSingles reports whether the node goes on.
func (b *batcher) writeSingles(list []*Confirm) bool {
	b.n.confirms.sent(list)
	var err error
	written := 0
	goesOn := b.n.inTurn(func() {
		for ; err == nil && written < len(list); written++ {
			err = hand(b.n.nc, list[written].msg)
		}
	})
	if err != nil {
		for _, confirm := range list[written-1:] {
			b.n.confirms.resolve(confirm, err)
		}
	}
	return goesOn
}

// land ends what was flying as far as it keeps others waiting. The lock is held.
func (b *batcher) land() {
	b.flying = false
	b.launch()
}

// fly sends the batch, and what goes beside it. It takes in what comes to wait while it
// is written.
func (f *inFlight) fly() {
	var err error
	w := newBatchWriter(f.b.n.nc)
	if f.early {
		f.b.n.inTurn(func() { err = f.writeMembers(w) })
		f.b.linger()
	}
	goesOn := f.b.n.inTurn(func() {
		f.began = time.Now()
		if err == nil {
			err = f.write(w)
		}
	})
	if goesOn && len(f.beside) > 0 {
		f.b.writeSingles(f.beside)
	}
	if err != nil {
		f.end(err)
	}
}

func (f *inFlight) write(w *batchWriter) error {
	f.gather()
	if err := f.writeMembers(w); err != nil {
		return err
	}
	commit, err := f.commit()
	if err != nil {
		return err
	}
	err = w.commit(f.members[len(f.members)-1].msg, commit.msg.Reply)
	if err != nil {
		f.b.n.confirms.leave(commit)
	}
	return err
}

// writeMembers writes all but the last, as only that one commits.
func (f *inFlight) writeMembers(w *batchWriter) error {
	for more := true; more; more = f.gather() {
		for w.count < len(f.members)-1 {
			if err := w.write(f.members[w.count].msg); err != nil {
				return err
			}
		}
		runtime.Gosched()
	}
	return nil
}

// gather takes in what waits, and reports whether that was anything. What has to go
// beside a batch waits for the next one.
func (f *inFlight) gather() bool {
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	had := len(f.members)
	f.full = true
	f.b.waiting = f.take(f.b.waiting)
	return len(f.members) > had
}

// commit notes the message that the answer will be to.
func (f *inFlight) commit() (*Confirm, error) {
	commit := &Confirm{
		msg: &nats.Msg{}, sink: f, commits: true,
		deadline: time.Now().Add(f.b.n.cfg.Timeout),
		done:     make(chan struct{}),
	}
	return commit, f.b.n.confirms.enter(commit)
}

// resolved is told what became of the batch.
func (f *inFlight) resolved(commit *Confirm) {
	if storedNothing(commit.err) {
		f.b.n.run(func() { f.oneByOne(commit.err) })
		return
	}
	f.b.mu.Lock()
	f.b.tookBatch(len(f.members), f.bytes, time.Since(f.began))
	cost := f.b.cost
	f.b.mu.Unlock()
	f.b.n.batchers.learned(cost)
	f.end(commit.err)
}

// end gives all messages one answer.
func (f *inFlight) end(err error) {
	for _, confirm := range f.members {
		f.b.n.confirms.resolve(confirm, err)
	}
	f.b.mu.Lock()
	defer f.b.mu.Unlock()
	f.b.land()
}

// oneByOne publishes the messages of a batch again, of which the stream has
// stored none, so that only those fail that are to blame. Where there was no
// stream, the first has to find one.
func (f *inFlight) oneByOne(refusal error) {
	b, never := f.b, false
	if jsapi.IsError(refusal, jsapi.CodeBatchDisabled) {
		ctx, cancel := context.WithTimeout(b.n.ctx, b.n.cfg.Timeout)
		never = b.n.allowBatches(ctx, b.stream) != nil
		cancel()
	}
	b.mu.Lock()
	b.never = never
	b.cost.refused(len(f.members))
	if errors.Is(refusal, nats.ErrNoResponders) {
		defer b.mu.Unlock()
		b.waiting = append(f.members, b.waiting...)
		b.beCareful(0)
		b.land()
		return
	}
	b.mu.Unlock()
	b.flySingles(f.members)
}
