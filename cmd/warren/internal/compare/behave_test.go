package compare

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

// amqpAnswers are what AMQP and RabbitMQ's documents ask for.
func amqpAnswers() map[string]string {
	return map[string]string{
		"one slow worker":    whoIsFree,
		"stop a worker":      immediately,
		"kill a worker":      immediately,
		"requeue":            oldPlaces,
		"unroutable":         amqpUnroutable,
		"topic keys":         allMatches(topicMatches),
		"empty key":          amqpEmptyKeys,
		"late subscriber":    sinceBound,
		"unbind":             keptAfterUnbind,
		"two types":          "5 orders in order, 5 payments in order, none at the wrong one",
		"restart the broker": amqpRestart,
		"kill the broker":    amqpRestart,
		"large message":      needsPublisher,
	}
}

// TestAnswers plays every scenario on every target there is. Warren's answers are
// AMQP's but for what streams/README.md says is different.
func TestAnswers(t *testing.T) {
	t.Parallel()
	eachTarget(t, func(t *testing.T, target Target) {
		t.Helper()
		want := amqpAnswers()
		maps.Copy(want, differences(target))
		behaviours, err := Behave(t.Context(), []Target{target}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(behaviours) != len(want) {
			t.Errorf("got %d behaviours, want %d", len(behaviours), len(want))
		}
		for _, b := range behaviours {
			o := b.Outcomes[0]
			if o.Failed != "" {
				t.Errorf("%s: %s (%s)", b.Scenario, o.Failed, o.Did)
			}
			got := o.Answer
			if o.NotOffered {
				got = ErrNotOffered.Error()
			}
			if got != want[b.Scenario] {
				t.Errorf("%s:\n got %s (%s)\nwant %s", b.Scenario, got, o.Did, want[b.Scenario])
			}
		}
	})
}

// differences are the answers of a target that are not AMQP's.
func differences(target Target) map[string]string {
	broker, where, _ := strings.Cut(target.Name(), " ")
	d := make(map[string]string)
	switch {
	case broker == "rabbitmq" || where == "nats":
		d["restart the broker"] = toldNotOffered // it is somebody else's
		d["kill the broker"] = toldNotOffered
	case strings.HasPrefix(where, "embedded"):
		d["kill the broker"] = toldNotOffered // it is in this process
	}
	if broker == "rabbitmq" {
		// Quorum queues without a delivery limit, which RabbitMQ 4 has.
		if where == string(Quorum) {
			d["requeue"] = asRequeued
			if strings.HasPrefix(target.Features().Version, "3.") {
				d["requeue"] = behindThem
			}
		}
		return d
	}
	d["requeue"] = asRequeued
	if target.Name() == warrenAMQP {
		return d
	}
	d["kill a worker"] = afterLease
	d["large message"] = takesThenRefuses
	if broker == "warren" {
		return d
	}
	d["stop a worker"] = afterLease
	d["unroutable"] = dropsAll
	d["topic keys"] = allMatches(subjectMatches)
	d["empty key"] = "direct bound with it: binding refused; another key there: binding refused; direct bound with another: not offered; fanout: delivered; default exchange: not offered"
	d["late subscriber"] = whatIsLeft
	d["unbind"] = "held: 1, 2; then: none"
	for _, s := range []string{"restart the broker", "kill the broker"} {
		if d[s] == "" {
			d[s] = keepsAll
		}
	}
	return d
}

// subjectMatches is what NATS subjects can say of a binding: no empty words, none
// of the wildcards' characters in a key, and # at the end alone.
func subjectMatches(pattern, key string) bool {
	if key == "" || slices.Contains(strings.Split(key, "."), "") || strings.ContainsAny(key, "*>") {
		return false
	}
	if strings.Contains(strings.TrimSuffix(pattern, "#"), "#") {
		return false
	}
	return topicMatches(pattern, key)
}

// TestATargetThatIsGone: one target's failure is told, and the others go on.
func TestATargetThatIsGone(t *testing.T) {
	t.Parallel()
	gone, err := NewJetStream(t.Context(), startInside(t, false), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	there := warrenInside(t)
	p := newProgramme([]scenario{twoTypes()}, []Target{gone, there}, nil)
	p.playSideBySide(t.Context())
	b := p.behaviours()[0]
	if b.Outcomes[0].Failed == "" || b.Outcomes[1].Failed != "" || !b.Same {
		t.Errorf("got %+v, want the first alone to have failed", b)
	}
}

// TestBehaveIsInterrupted: what was found until then comes back.
func TestBehaveIsInterrupted(t *testing.T) {
	t.Parallel()
	target := warrenInside(t)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	progress := func(done, total int, what string) {
		if total != len(scenarios()) || !strings.HasSuffix(what, " on "+target.Name()) {
			t.Errorf("got progress %d of %d: %s", done, total, what)
		}
		interrupt()
	}
	behaviours, err := Behave(ctx, []Target{target}, progress)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if n := len(behaviours); n < 1 || n > atOnce+1 {
		t.Errorf("got %d behaviours, want those that were over", n)
	}
	for _, b := range behaviours {
		if failed := b.Outcomes[0].Failed; failed != "" {
			t.Errorf("%s: %s", b.Scenario, failed)
		}
	}
}

// TestWhys: whatever comes out has a sentence of its own.
func TestWhys(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		amqp := amqpAnswers()[s.name]
		for _, pair := range [][]string{
			nil, {amqp}, {amqp, amqp}, {amqp, "another"}, {"another", "another"}, {"another", "a third"},
			{amqp, afterLease}, {afterLease, afterLease}, {whoIsFree, byTurns}, {byTurns, byTurns},
			{amqp, asRequeued}, {asRequeued, asRequeued}, {behindThem, behindThem}, {amqp, dropsAll},
			{amqp, keepsAll}, {keepsAll, keepsAll}, {amqp, takesThenRefuses}, {takesThenRefuses, takesThenRefuses},
		} {
			var a answers
			for i, answer := range pair {
				a = append(a, Outcome{Target: string(rune('a' + i)), Answer: answer})
			}
			why := s.because(a)
			if !strings.HasSuffix(why, ".") || strings.Contains(why, ". ") || strings.Contains(why, "  ") || strings.HasPrefix(why, " ") {
				t.Errorf("%s, %q: got %q, want one sentence", s.name, pair, why)
			}
		}
	}
}

func TestAnswerNames(t *testing.T) {
	t.Parallel()
	var a answers
	for i, want := range []string{"", "a", "a and b", "a, b and c"} {
		if got := a.names(); got != want {
			t.Errorf("%d targets: got %q, want %q", i, got, want)
		}
		a = append(a, Outcome{Target: string(rune('a' + i))})
	}
}

// TestTopicMatches holds the reference against RabbitMQ's own table.
func TestTopicMatches(t *testing.T) {
	t.Parallel()
	patterns := map[string]string{
		"t1": "a.b.c", "t2": "a.*.c", "t3": "a.#.b", "t4": "a.b.b.c", "t5": "#", "t6": "#.#", "t7": "#.b",
		"t8": "*.*", "t9": "a.*", "t10": "*.b.c", "t11": "a.#", "t12": "a.#.#", "t13": "b.b.c", "t14": "a.b.b",
		"t15": "a.b", "t16": "b.c", "t17": "", "t18": "*.*.*", "t19": "vodka.martini", "t20": "a.b.c",
		"t21": "*.#", "t22": "#.*.#", "t23": "*.#.#", "t25": "*", "t26": "#.b.#", "t27": "args-test",
	}
	for key, want := range map[string]string{
		"a.b.c":               "t1 t2 t5 t6 t10 t11 t12 t18 t20 t21 t22 t23 t26",
		"a.b":                 "t3 t5 t6 t7 t8 t9 t11 t12 t15 t21 t22 t23 t26",
		"a.b.b":               "t3 t5 t6 t7 t11 t12 t14 t18 t21 t22 t23 t26",
		"":                    "t5 t6 t17",
		"b.c.c":               "t5 t6 t18 t21 t22 t23 t26",
		"a.a.a.a.a":           "t5 t6 t11 t12 t21 t22 t23",
		"vodka.gin":           "t5 t6 t8 t21 t22 t23",
		"vodka.martini":       "t5 t6 t8 t19 t21 t22 t23",
		"b.b.c":               "t5 t6 t10 t13 t18 t21 t22 t23 t26",
		"nothing.here.at.all": "t5 t6 t21 t22 t23",
		"oneword":             "t5 t6 t21 t22 t23 t25",
		"args-test":           "t5 t6 t21 t22 t23 t25 t27",
	} {
		var got []string
		for name, pattern := range patterns {
			if topicMatches(pattern, key) {
				got = append(got, name)
			}
		}
		wanted := strings.Fields(want)
		slices.Sort(got)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%q matches %v, want %v", key, got, wanted)
		}
	}
}
