package streams

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// A flight is a batch of a lane. Its commit tells what became of all.
type flight struct {
	p       *Publisher
	lane    *lane
	members []*Confirm
	bytes   int
	began   time.Time
}

const (
	// maxBatchBytes bounds the bodies of a flight: the broker keeps them twice.
	maxBatchBytes = 4 << 20
	// probeSize is how many messages go one by one to see how long they take.
	probeSize = enough
)

// batchable reports whether a message can be one of a batch: not if it is traced,
// as the trace of a batch does not tell its messages apart, nor if it may take
// the place of another.
func (c *Confirm) batchable(largest int64) bool {
	return c.place == nil && !c.awaitsTrace && int64(c.msg.Size()+batchHeaders) <= largest
}

// consider has a lane gather whose stream is slow, unless that is in memory: there it is
// the machine that is busy, and a batch would only add to it. The lock is held.
func (p *Publisher) consider(l *lane) {
	if l.looking {
		return
	}
	l.looking = true
	p.s.run(func() {
		ctx, cancel := context.WithTimeout(p.s.ctx, p.s.cfg.Timeout)
		defer cancel()
		stream, err := p.s.js.Stream(ctx, l.stream)
		p.mu.Lock()
		defer p.mu.Unlock()
		l.looking = false
		if err != nil || l.gathering {
			return
		}
		l.never = stream.CachedInfo().Config.Storage == jetstream.MemoryStorage
		if !l.never {
			l.begin()
		}
	})
}

// launch sends what waits. The lock is held.
func (p *Publisher) launch(l *lane) {
	if l.ready() {
		l.flying = true
		p.s.run(func() { p.fly(l) }) // a session that is over has failed them all
	}
}

// fly sends the next flight of a lane. First it lets those run that were waiting
// for the answers to the last one: they may have more to publish.
func (p *Publisher) fly(l *lane) {
	if p.s.awaitOnline(p.s.ctx) != nil || p.rest(l) != nil {
		return
	}
	runtime.Gosched()
	p.linger(l)
	p.mu.Lock()
	l.waiting = stillOpen(l.waiting)
	if singles := l.careful(); len(singles) > 0 {
		p.mu.Unlock()
		p.flySingles(l, singles)
		return
	}
	n, bytes := l.prefix(p.s.maxPayload.Load(), maxBatch, maxBatchBytes)
	batch, probe := l.batchNext(n, bytes)
	if batch {
		f := &flight{p: p, lane: l, members: l.take(n), bytes: bytes}
		p.mu.Unlock()
		f.fly()
		return
	}
	n = len(l.waiting)
	if probe {
		n = min(n, probeSize)
	}
	singles := l.take(n)
	p.mu.Unlock()
	p.flySingles(l, singles)
}

// linger waits for the messages that are expected with those that wait.
func (p *Publisher) linger(l *lane) {
	p.mu.Lock()
	complete, most := l.lingers()
	p.mu.Unlock()
	if complete == nil {
		return
	}
	over := time.NewTimer(most)
	defer over.Stop()
	select {
	case <-complete:
	case <-over.C:
	case <-p.s.ctx.Done():
	}
	p.mu.Lock()
	l.complete = nil
	p.mu.Unlock()
}

// rest waits for as long as a lane is to pause.
func (p *Publisher) rest(l *lane) error {
	p.mu.Lock()
	pause := l.pause
	l.pause = 0
	p.mu.Unlock()
	if pause == 0 {
		return nil
	}
	return jsapi.Sleep(p.s.ctx, pause)
}

// takeBack takes a message back that no stream took, to publish it again.
func (p *Publisher) takeBack(confirm *Confirm) error {
	pause := confirm.pause()
	if time.Until(confirm.deadline) < pause {
		return errNotTaken(context.DeadlineExceeded)
	}
	p.s.confirms.waits(confirm)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isClosed(confirm.done) {
		confirm.lane.takeBack(confirm, pause)
		p.launch(confirm.lane)
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

// prefix is how much of what waits may be in a batch that has room for so many
// messages and bytes.
func (l *lane) prefix(largest int64, room, roomBytes int) (n, bytes int) {
	for n < min(len(l.waiting), room) && l.waiting[n].batchable(largest) {
		size := len(l.waiting[n].msg.Data)
		if bytes+size > roomBytes {
			break
		}
		bytes += size
		n++
	}
	return n, bytes
}

// take takes the first n of what waits.
func (l *lane) take(n int) []*Confirm {
	taken := l.waiting[:n:n]
	l.waiting = l.waiting[n:]
	if len(l.waiting) == 0 {
		l.waiting = nil
	}
	return taken
}

// flySingles sends messages one behind the other, each by itself. Where the lane
// has gathered in vain, it goes on until none waits, as others may go at once
// from then on.
func (p *Publisher) flySingles(l *lane, list []*Confirm) {
	for {
		p.mu.Lock()
		list = stillOpen(list)
		for _, confirm := range list {
			l.alone(confirm)
		}
		if len(list) > 0 {
			l.answers.sent(list[len(list)-1], l.open)
		}
		p.mu.Unlock()
		if !p.writeSingles(list) {
			return
		}
		p.mu.Lock()
		if !l.inVain() || len(l.waiting) == 0 {
			break
		}
		list = l.take(len(l.waiting))
		p.mu.Unlock()
	}
	defer p.mu.Unlock()
	if l.gathering = !l.inVain(); !l.gathering {
		p.s.slow.Delete(l.stream)
	}
	p.land(l)
}

// writeSingles reports whether the session goes on.
func (p *Publisher) writeSingles(list []*Confirm) bool {
	p.s.confirms.sent(list)
	var err error
	written := 0
	goesOn := p.s.inTurn(func() {
		for ; err == nil && written < len(list); written++ {
			err = hand(p.s.nc, list[written].msg)
		}
	})
	if err != nil {
		for _, confirm := range list[written-1:] {
			p.s.confirms.resolve(confirm, err)
		}
	}
	return goesOn
}

// land ends a flight as far as it keeps others waiting. The lock is held.
func (p *Publisher) land(l *lane) {
	l.flying = false
	p.launch(l)
}

// fly sends a batch. It takes in what comes to wait while it is written.
func (f *flight) fly() {
	var err error
	f.p.s.inTurn(func() {
		f.began = time.Now()
		err = f.write(newBatchWriter(f.p.s.nc))
	})
	if err != nil {
		f.end(err)
	}
}

func (f *flight) write(w *batchWriter) error {
	if err := f.writeMembers(w); err != nil {
		return err
	}
	commit, err := f.commit()
	if err != nil {
		return err
	}
	err = w.commit(f.members[len(f.members)-1].msg, commit.msg.Reply)
	if err != nil {
		f.p.s.confirms.leave(commit)
	}
	return err
}

// writeMembers writes all but the last, as only that one commits.
func (f *flight) writeMembers(w *batchWriter) error {
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

// gather takes in what waits, and reports whether that was anything.
func (f *flight) gather() bool {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	l := f.lane
	n, bytes := l.prefix(f.p.s.maxPayload.Load(), maxBatch-len(f.members), maxBatchBytes-f.bytes)
	f.members = append(f.members, l.take(n)...)
	f.bytes += bytes
	return n > 0
}

// commit notes the message that the answer will be to.
func (f *flight) commit() (*Confirm, error) {
	commit := &Confirm{
		msg: &nats.Msg{}, sink: f, commits: true,
		deadline: time.Now().Add(f.p.s.cfg.Timeout),
		done:     make(chan struct{}),
	}
	return commit, f.p.s.confirms.enter(commit)
}

// resolved is told what became of the batch.
func (f *flight) resolved(commit *Confirm) {
	if storedNothing(commit.err) {
		f.p.s.run(func() { f.oneByOne(commit.err) })
		return
	}
	f.p.mu.Lock()
	f.lane.tookBatch(len(f.members), f.bytes, time.Since(f.began))
	f.p.s.slow.Store(f.lane.stream, f.lane.pace)
	f.p.mu.Unlock()
	f.end(commit.err)
}

// end gives all messages one answer.
func (f *flight) end(err error) {
	for _, confirm := range f.members {
		f.p.s.confirms.resolve(confirm, err)
	}
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.p.land(f.lane)
}

// oneByOne publishes the messages of a batch again, of which the stream has
// stored none, so that only those fail that are to blame. Where there was no
// stream, the first has to find one.
func (f *flight) oneByOne(refusal error) {
	never := false
	if jsapi.IsError(refusal, jsapi.CodeBatchDisabled) {
		ctx, cancel := context.WithTimeout(f.p.s.ctx, f.p.s.cfg.Timeout)
		never = f.p.s.allowBatches(ctx, f.lane.stream) != nil
		cancel()
	}
	f.p.mu.Lock()
	f.lane.never = never
	f.lane.pace.refused(len(f.members))
	if errors.Is(refusal, nats.ErrNoResponders) {
		defer f.p.mu.Unlock()
		f.lane.waiting = append(f.members, f.lane.waiting...)
		f.lane.beCareful(0)
		f.p.land(f.lane)
		return
	}
	f.p.mu.Unlock()
	f.p.flySingles(f.lane, f.members)
}
