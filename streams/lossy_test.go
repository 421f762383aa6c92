package streams_test

import (
	"strings"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

func TestALostRequestIsNoticedWithinSeconds(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		line.Lose(func(subject string) bool { return strings.HasPrefix(subject, "$JS.API.CONSUMER.MSG.NEXT.") })
		next := r.pull(r.consume(q, streams.ConsumeOptions{Prefetch: 1}))
		must(t, nc.Flush())
		line.Lose(nil)
		if line.Lost() == 0 {
			t.Fatal("no request was lost")
		}
		r.number(q, 1)
		start := time.Now()
		d := r.take(next, 1)[0]
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("a lost request was noticed after %v", took)
		}
		must(t, d.Ack())
	})
}

// TestALostQuestionIsAskedAgain: whatever is asked of a leader that is gone is
// asked of its successor, and what was lost of a listing is not left out.
func TestALostQuestionIsAskedAgain(t *testing.T) {
	embeddedtest.Bubble(t, func(t *testing.T) {
		line, nc := embeddedtest.NewLine(t)
		r := newRig(t, nc, streams.Config{})
		r.ctx = t.Context()
		q := r.queue(streams.Queue{Name: "q"})
		r.bind("amq.topic", q, "a.#.b") // more than a filter can say: messages are counted by reading them
		r.publish("amq.topic", "a.b", "wanted")
		r.publish("amq.topic", "a.c", "not wanted")
		r.consume(q, streams.ConsumeOptions{Prefetch: 1, Push: func(*streams.Delivery) {}})

		looks := map[string]func() int{
			"list queues":    func() int { list, err := r.Queues(t.Context()); must(t, err); return len(list) },
			"list exchanges": func() int { list, err := r.Exchanges(t.Context()); must(t, err); return len(list) },
			"list bindings":  func() int { list, err := r.Bindings(t.Context()); must(t, err); return len(list) },
			"inspect":        func() int { return inspect(t, r.Session, q).Consumers },
			"check exchange": func() int { must(t, r.CheckExchange(t.Context(), "amq.topic")); return 0 },
		}
		for what, look := range looks {
			want := look()
			lost := make(map[string]bool)
			line.Lose(func(subject string) bool {
				kind := kindOfQuestion(subject)
				first := kind != "" && !lost[kind]
				lost[kind] = true
				return first
			})
			start := time.Now()
			got := look()
			took := time.Since(start)
			line.Lose(nil)
			if got != want {
				t.Errorf("%s: got %d, want %d", what, got, want)
			}
			if limit := time.Duration(len(lost)+1) * time.Second; took > limit {
				t.Errorf("%s: %d kinds of questions were lost once, and it took %v; want %v at most", what, len(lost), took, limit)
			}
			t.Logf("%s: %d kinds of questions lost", what, len(lost)-1)
		}
	})
}

// kindOfQuestion is what a request asks which of the server's streams; none, if
// it is not a question.
func kindOfQuestion(subject string) string {
	rest, is := strings.CutPrefix(subject, "$JS.API.")
	if !is {
		return ""
	}
	words := strings.Split(rest, ".")
	switch {
	case strings.HasPrefix(rest, "STREAM.INFO."), strings.HasPrefix(rest, "CONSUMER.INFO."),
		strings.HasPrefix(rest, "STREAM.MSG.GET."), strings.HasPrefix(rest, "DIRECT.GET."):
		return rest
	case strings.HasPrefix(rest, "CONSUMER.CREATE.warren~topology"):
		return strings.Join(words[:3], ".")
	case strings.HasPrefix(rest, "CONSUMER.MSG.NEXT.warren~topology"):
		return strings.Join(words[:4], ".")
	}
	return ""
}
