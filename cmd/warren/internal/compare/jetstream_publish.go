package compare

import (
	"context"
	"errors"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// idHeader carries the id of a message; JetStream's own would look for duplicates.
const idHeader = "Id"

func (c *rawConn) Publisher(_ context.Context, window int) (Publisher, error) {
	js, err := jetstream.New(c.nc, jetstream.WithPublishAsyncMaxPending(window+1))
	if err != nil {
		return nil, err
	}
	p := &rawPublisher{target: c.target, js: js, room: make(chan struct{}, window), sent: make(chan rawSent, window), done: make(chan struct{})}
	go p.settle()
	return p, nil
}

// rawPublisher calls back in the order in which was published, which is that in
// which a stream answers.
type rawPublisher struct {
	target *jetStream
	js     jetstream.JetStream
	room   chan struct{} // one for each message without an answer
	sent   chan rawSent
	done   chan struct{} // closed when everything is answered

	mu sync.Mutex // held while a message is published
}

type rawSent struct {
	answer    jetstream.PubAckFuture
	confirmed func(error)
}

func (p *rawPublisher) Publish(ctx context.Context, exchange, key string, m Message, confirmed func(error)) error {
	if m.Mandatory && exchange != "" {
		return notOffered("mandatory messages to an exchange")
	}
	if err := p.target.refresh(ctx, p.js); err != nil {
		return err
	}
	out := &nats.Msg{Subject: p.subject(exchange, key), Data: m.Body}
	if m.ID != "" {
		out.Header = nats.Header{idHeader: {m.ID}}
	}
	if exchange == "" || key != "" || !p.target.looksAtNoKey(exchange) {
		if err := word(key); err != nil {
			return err
		}
	}
	select {
	case p.room <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, err := p.js.PublishMsgAsync(out, jetstream.WithRetryAttempts(0))
	if err != nil {
		<-p.room
		return err
	}
	p.sent <- rawSent{answer, confirmed}
	return nil
}

// subject is where a message goes; a fanout exchange may be given no key.
func (p *rawPublisher) subject(exchange, key string) string {
	switch {
	case exchange == "":
		return p.target.homeSubject(key)
	case key == "":
		return p.target.exchangeSubject(exchange) + "._"
	}
	return p.target.exchangeSubject(exchange) + "." + key
}

func (p *rawPublisher) settle() {
	defer close(p.done)
	for s := range p.sent {
		var err error
		select {
		case <-s.answer.Ok():
		case err = <-s.answer.Err():
		}
		if errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrNoResponders) {
			err = errors.Join(ErrUnroutable, err)
		}
		s.confirmed(err)
		<-p.room
	}
}

// Close leaves what nats.go has for its answers to the end of the connection: to
// clean that up just after publishing loses a goroutine of nats.go 1.55.
func (p *rawPublisher) Close(ctx context.Context) error {
	p.mu.Lock()
	close(p.sent)
	p.mu.Unlock()
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
