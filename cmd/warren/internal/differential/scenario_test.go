package differential

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	amqp "github.com/rabbitmq/amqp091-go"

	"warren/embedded/embeddedtest"
	"warren/streams"
	"warren/streams/amqp091/amqptest"
)

// TestScenarios plays scenarios made up at random. One of them runs again with
//
//	go test -run 'TestScenarios/^seed=17$' ./cmd/warren/internal/differential
//
// WARREN_SEED is the first seed and WARREN_SCENARIOS how many there are: then all of them
// are played on Warren's AMQP port, too, and otherwise the first of them, as far as the
// port is to be fair in them. A run
// that was killed may leave queues behind on the RabbitMQ.
func TestScenarios(t *testing.T) {
	t.Parallel()
	against := "its model alone: WARREN_AMQP_URL names no RabbitMQ"
	if rabbitURL() != "" {
		against = "its model and RabbitMQ " + rabbitVersion(t, rabbitURL())
	}
	var total totals
	t.Cleanup(func() { t.Logf("compared Warren with %s: %s", against, &total) })
	first := setting("WARREN_SEED", 1)
	const onPort = 30
	for n := range setting("WARREN_SCENARIOS", 205) {
		seed := first + n
		port := n < onPort || os.Getenv("WARREN_SCENARIOS") != ""
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			own, done := borrow(seed, shared)
			defer done()
			steps := generate(seed, third, own)
			on := brokers{nc: embeddedtest.Connect(t), ports: make(map[string]string)}
			if port && !slices.ContainsFunc(steps, unfairOnPort) {
				on.ports["Warren's AMQP port"] = amqptest.Start(t).URL()
			}
			if rabbitURL() != "" {
				on.ports["RabbitMQ"] = rabbitURL()
			}
			runScenario(t, seed, on, steps, &total)
		})
	}
}

// TestScenarios4 plays some of them on a RabbitMQ 4.3 and on a model of it.
func TestScenarios4(t *testing.T) {
	if rabbit4URL() == "" {
		t.Skip("WARREN_AMQP4_URL names no RabbitMQ 4.3")
	}
	t.Parallel()
	version := rabbitVersion(t, rabbit4URL())
	if !strings.HasPrefix(version, "4.") {
		t.Fatalf("WARREN_AMQP4_URL names a RabbitMQ %s: it is to name a 4.3", version)
	}
	var total totals
	t.Cleanup(func() { t.Logf("compared RabbitMQ %s with its model: %s", version, &total) })
	first := setting("WARREN_SEED", 1)
	for n := range setting("WARREN_SCENARIOS", 60) {
		seed := first + n
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			own, done := borrow(seed, shared4)
			defer done()
			on := brokers{generation: fourth, ports: map[string]string{"RabbitMQ " + version: rabbit4URL()}}
			runScenario(t, seed, on, generate(seed, fourth, own), &total)
		})
	}
}

func setting(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// totals are what was compared.
type totals struct{ scenarios, steps, published, received atomic.Int64 }

func (n *totals) String() string {
	return fmt.Sprintf("%d scenarios, %d steps, %d messages published, %d received by somebody",
		n.scenarios.Load(), n.steps.Load(), n.published.Load(), n.received.Load())
}

// rabbitVersion says which RabbitMQ there is.
func rabbitVersion(t *testing.T, url string) string {
	t.Helper()
	r := openRabbit(t, url)
	defer func() { _ = r.close() }()
	return fmt.Sprint(r.conn.Properties["version"])
}

// login is the user a message may say it is from.
func login() string {
	uri, err := amqp.ParseURI(rabbitURL())
	if err != nil {
		return "guest"
	}
	return uri.Username
}

// brokers are those that a scenario is played on.
type brokers struct {
	nc         *nats.Conn        // where Warren is, by its API; nil is nowhere
	ports      map[string]string // the URLs of AMQP ports, by the names of the brokers
	generation generation        // of the model
}

func runScenario(t *testing.T, seed uint64, on brokers, steps []step, total *totals) {
	t.Helper()
	found := compare(t, on, "scenario", steps, total)
	if found == nil {
		return
	}
	short := reduce(t, on, steps, found)
	t.Errorf("seed %d: %s\nIn short: %s\nThe steps:\n%s",
		seed, found, compare(t, on, "reduced", short, &totals{}), script(short))
}

// unfairOnPort reports whether a step is of several consumers that do not acknowledge: on
// the port each has a window, and those of a bound queue do not take strict turns then.
func unfairOnPort(s step) bool {
	share, is := s.(share)
	return is && share.autoAck && share.consumers > 1
}

// A difference is the first thing brokers do not agree about.
type difference struct {
	at        int
	step      step
	who       string
	got, want string
}

func (d *difference) String() string {
	if d == nil {
		return "no difference any more"
	}
	got, want := strings.Split(d.got, "\n"), strings.Split(d.want, "\n")
	var b strings.Builder
	fmt.Fprintf(&b, "step %d, %s\n", d.at, describe(d.step))
	for i := range max(len(got), len(want)) {
		if g, w := line(got, i), line(want, i); g != w {
			fmt.Fprintf(&b, "\t%s says %s\n\tthe model says %s\n", d.who, g, w)
		}
	}
	return b.String()
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return strings.TrimSpace(lines[i])
	}
	return "nothing"
}

// like says whether two differences look like the same one.
func (d *difference) like(other *difference) bool {
	kind := func(d *difference) string {
		got, _, _ := strings.Cut(d.got, "\n")
		return fmt.Sprintf("%T %s %.12s", d.step, d.who, got)
	}
	return d != nil && kind(d) == kind(other)
}

// The predeclared exchanges of a RabbitMQ are one for all scenarios: who uses
// one has it for itself.
type locks map[string]*sync.Mutex

var (
	shared  = locks{"amq.direct": {}, "amq.fanout": {}, "amq.topic": {}, "amq.headers": {}, "amq.match": {}}
	shared4 = locks{"amq.direct": {}, "amq.fanout": {}, "amq.topic": {}, "amq.headers": {}, "amq.match": {}}
)

// borrow takes one of them for some of the scenarios.
func borrow(seed uint64, shared locks) ([]string, func()) {
	names := []string{"amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match"}
	if seed%3 != 0 {
		return nil, func() {}
	}
	name := names[seed/3%uint64(len(names))]
	shared[name].Lock()
	return []string{name}, shared[name].Unlock
}

// compare plays steps on every broker there is, by the API of Warren and on the AMQP
// ports, and tells the first difference.
func compare(t *testing.T, on brokers, vhost string, steps []step, total *totals) *difference {
	t.Helper()
	var players []*player
	var names []string
	if on.nc != nil {
		w := openWarren(t, on.nc, vhost)
		defer closing(t, w)
		players, names = append(players, newPlayer(w)), append(names, "Warren")
	}
	for name, url := range on.ports {
		r := openRabbit(t, url)
		defer closing(t, r)
		clean(t, r, steps)
		defer clean(t, r, steps)
		players, names = append(players, newPlayer(r)), append(names, name)
	}
	oracle := newModel(on.generation)
	expected := newPlayer(oracle)
	for i, s := range steps {
		f := oracle.facts(s.queue())
		want := expected.play(s, f)
		for j, p := range players {
			if got := p.play(s, f); got != want {
				return &difference{i, s, names[j], got, want}
			}
		}
		total.steps.Add(1)
		switch s := s.(type) {
		case publish:
			total.published.Add(int64(len(s.posts)))
		case share:
			total.published.Add(int64(len(s.posts)))
		}
		total.received.Add(int64(strings.Count(want, "\n")))
	}
	total.scenarios.Add(1)
	return nil
}

func closing(t *testing.T, c client) {
	t.Helper()
	if err := c.close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// clean removes from a broker what a scenario declares.
func clean(t *testing.T, r *rabbit, steps []step) {
	t.Helper()
	for _, s := range steps {
		var err error
		switch s := s.(type) {
		case declareQueue:
			_, err = r.deleteQueue(s.Name, false, false)
		case declareExchange:
			if s.Name != "" && !strings.HasPrefix(s.Name, "amq.") {
				err = r.deleteExchange(s.Name, false)
			}
		}
		if err != nil {
			t.Errorf("clean up: %v", err)
		}
	}
}

// reduce leaves out what the difference does not need, for as long as that does
// not take too long.
func reduce(t *testing.T, on brokers, steps []step, found *difference) []step {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tries := 0
	for size := len(steps) / 2; size > 0; size /= 2 {
		for at := 0; at < len(steps) && time.Now().Before(deadline); {
			fewer := slices.Delete(slices.Clone(steps), at, min(at+size, len(steps)))
			tries++
			if compare(t, on, fmt.Sprintf("try%d", tries), fewer, &totals{}).like(found) {
				steps = fewer
			} else {
				at += size
			}
		}
	}
	return steps
}

func script(steps []step) string {
	var b strings.Builder
	for i, s := range steps {
		fmt.Fprintf(&b, "%3d %s\n", i, describe(s))
	}
	return b.String()
}

func describe(s step) string {
	if s, ok := s.(publish); ok {
		var posts []string
		for _, p := range s.posts {
			posts = append(posts, fmt.Sprintf("key %s mandatory %t %s", short(p.key), p.mandatory, renderMessage(&p.Message)))
			posts[len(posts)-1] = fmt.Sprintf("%.200s", posts[len(posts)-1])
		}
		return fmt.Sprintf("publish to %s: %s", short(s.exchange), strings.Join(posts, "; "))
	}
	switch s := s.(type) {
	case bind:
		return "bind " + describeBinding(s.Binding)
	case unbind:
		return "unbind " + describeBinding(s.Binding)
	}
	text := fmt.Sprintf("%s%+v", strings.TrimPrefix(fmt.Sprintf("%T", s), "differential."), s)
	return strings.ReplaceAll(text, strings.Repeat("n", 200), "n...n")
}

func describeBinding(b streams.Binding) string {
	return fmt.Sprintf("%s to %s, key %s %s", short(b.Queue), short(b.Exchange), short(b.Key), render(b.Args))
}
