package compare

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nuid"
)

// mostConnections is how many connections consumers have at most; beyond that
// they share them.
const mostConnections = 10

// A stage is what the runs of a workload need, declared on a target under names of
// its own. Its connections and publishers last, as those of a program do: what they
// find out of their broker in the first run they know in the next.
type stage struct {
	target Target
	w      Workload
	class  Class

	conns      []Conn // the first declares
	publishers []Publisher
	exchange   string
	keys       []string // that messages are published with, in turn
	queues     []string
	answers    string // the queue that answers go to
}

// newStage declares everything. It is to be struck also after an error.
func newStage(ctx context.Context, target Target, w Workload, class Class) (*stage, error) {
	s := &stage{target: target, w: w, class: class}
	if err := s.connect(ctx); err != nil {
		return s, err
	}
	if err := s.declare(ctx); err != nil {
		return s, err
	}
	for i := range w.Publishers {
		p, err := s.publisherConn(i).Publisher(ctx, w.Window)
		if err != nil {
			return s, fmt.Errorf("open a publisher: %w", err)
		}
		s.publishers = append(s.publishers, p)
	}
	return s, nil
}

// connect opens a connection for each publisher, and then for each consumer.
func (s *stage) connect(ctx context.Context) error {
	for range s.w.Publishers + min(s.w.Consumers, mostConnections) {
		conn, err := s.target.Connect(ctx)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		s.conns = append(s.conns, conn)
	}
	return nil
}

func (s *stage) publisherConn(i int) Conn { return s.conns[i] }

func (s *stage) consumerConn(i int) Conn {
	return s.conns[s.w.Publishers+i%(len(s.conns)-s.w.Publishers)]
}

func (s *stage) declare(ctx context.Context) error {
	for range max(s.w.Fanout, 1) {
		name, err := s.declareQueue(ctx)
		if err != nil {
			return err
		}
		s.queues = append(s.queues, name)
	}
	switch s.w.route {
	case fanout:
		return s.declareFanout(ctx)
	case topic:
		return s.declareTopic(ctx)
	case andBack:
		var err error
		s.answers, err = s.declareQueue(ctx)
		s.keys = s.queues
		return err
	}
	s.keys = s.queues
	return nil
}

func (s *stage) declareQueue(ctx context.Context) (string, error) {
	return s.declareNamed(ctx, "compare-q-"+nuid.Next())
}

func (s *stage) declareNamed(ctx context.Context, name string) (string, error) {
	name, err := s.conns[0].DeclareQueue(ctx, Queue{Name: name, Class: s.class})
	if err != nil {
		return "", fmt.Errorf("declare a queue: %w", err)
	}
	return name, nil
}

// empty puts an empty queue in the place of one that nobody consumes.
func (s *stage) empty(ctx context.Context) error {
	name := s.queues[0]
	if err := s.conns[0].DeleteQueue(ctx, name); err != nil {
		return fmt.Errorf("delete a queue: %w", err)
	}
	_, err := s.declareNamed(ctx, name)
	return err
}

func (s *stage) declareExchange(ctx context.Context, k Kind) error {
	s.exchange = "compare-x-" + nuid.Next()
	err := s.conns[0].DeclareExchange(ctx, Exchange{Name: s.exchange, Kind: k, Durable: s.class != D0})
	if err != nil {
		s.exchange = ""
		return fmt.Errorf("declare an exchange: %w", err)
	}
	return nil
}

func (s *stage) bind(ctx context.Context, queue, key string) error {
	if err := s.conns[0].Bind(ctx, queue, s.exchange, key); err != nil {
		return fmt.Errorf("bind a queue: %w", err)
	}
	return nil
}

func (s *stage) declareFanout(ctx context.Context) error {
	if err := s.declareExchange(ctx, Fanout); err != nil {
		return err
	}
	s.keys = []string{""}
	for _, q := range s.queues {
		if err := s.bind(ctx, q, ""); err != nil {
			return err
		}
	}
	return nil
}

// declareTopic makes bindings of which each key that is published matches one.
func (s *stage) declareTopic(ctx context.Context) error {
	if err := s.declareExchange(ctx, Topic); err != nil {
		return err
	}
	for i := range s.w.Bindings {
		if err := s.bind(ctx, s.queues[0], fmt.Sprintf("device.%d.*", i)); err != nil {
			return err
		}
		s.keys = append(s.keys, fmt.Sprintf("device.%d.state", i))
	}
	return nil
}

// settleTimeout is how long a broker may take to count what it was told.
const settleTimeout = 10 * time.Second

// checkSettled asks the broker whether it has every acknowledgement. Nobody consumes
// any more then: what AMQP counts for nobody else is ready when its consumer is gone.
func (s *stage) checkSettled(ctx context.Context) error {
	var errs []error
	for _, c := range s.conns[s.w.Publishers:] {
		errs = append(errs, c.Close())
	}
	s.conns = s.conns[:s.w.Publishers]
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the consumers' connections: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for _, q := range s.queues {
		if err := s.awaitSettled(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) awaitSettled(ctx context.Context, queue string) error {
	for last := 0; ; {
		left, err := s.conns[0].Unsettled(ctx, queue)
		switch {
		case last > 0 && ctx.Err() != nil:
			return fmt.Errorf("the broker still has %s that came and were acknowledged: no figure counts them", count(last, "message"))
		case err != nil:
			return fmt.Errorf("count what is not settled: %w", err)
		case left == 0:
			return nil
		}
		last = left
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// strikeTimeout is how long clearing away one stage may take.
const strikeTimeout = time.Minute

// strike clears everything away, also after a run was interrupted.
func (s *stage) strike() error {
	ctx, cancel := context.WithTimeout(context.Background(), strikeTimeout)
	defer cancel()
	var errs []error
	for _, p := range s.publishers {
		errs = append(errs, p.Close(ctx))
	}
	if len(s.conns) > 0 {
		if s.exchange != "" {
			errs = append(errs, s.conns[0].DeleteExchange(ctx, s.exchange))
		}
		queues := s.queues
		if s.answers != "" {
			queues = append(queues, s.answers)
		}
		for _, q := range queues {
			errs = append(errs, s.conns[0].DeleteQueue(ctx, q))
		}
	}
	for _, c := range s.conns {
		errs = append(errs, c.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("clear away: %w", err)
	}
	return nil
}
