package compare

import (
	"slices"
	"time"
)

// A Workload is what is measured, wherever it is measured.
type Workload struct {
	ID   string // what it is called on a command line: "fan-out"
	Name string // what it is called in a report; several may share one

	Classes []Class // in which it is measured
	Sizes   []int   // of bodies, in bytes, at least [MinSize]

	Publishers int
	Window     int // messages of a publisher without a confirm
	Consumers  int
	Prefetch   int     // of each consumer
	Rate       float64 // messages a second, open loop; 0: full speed

	route route
	order order
	work  []time.Duration // what the handlers take, in turn; empty: no time

	// Fanout is how many queues take each message, Bindings how many a topic
	// exchange has for one queue.
	Fanout, Bindings int
}

// A route is how messages come to their queue.
type route string

const (
	byName  route = ""
	fanout  route = "fanout"
	topic   route = "topic"
	andBack route = "rpc" // to a queue, and an answer to another one
)

// An order is what happens when, and what of it is measured.
type order string

const (
	together   order = ""             // consumers wait, and messages are published
	buildDrain order = "build, drain" // all is published before all is consumed
	buildOnly  order = "build"        // nobody consumes
)

// The sizes of bodies that are measured.
const (
	small  = 128
	medium = 1 << 10
	large  = 16 << 10
)

// all are the classes, weakest first.
var all = []Class{D0, D1, D2}

// Full are all workloads, in all classes.
func Full() []Workload {
	var list []Workload
	list = append(list, oneToOne(small, medium, large))
	list = append(list, workQueue(), consume(1), consume(100))
	list = append(list, fanOut(10), fanOut(100))
	list = append(list, topicExchange(1), topicExchange(10), topicExchange(1000))
	list = append(list, roundTrip(), backlog(), uneven())
	for _, window := range []int{1, 100, 1000} {
		list = append(list, publish(window))
	}
	return append(list, paced(small, medium, large))
}

// Quick are the workloads of a first look, each in the class it is asked of most.
// Latency is asked of in all of them: what a sync costs is seen there.
func Quick() []Workload {
	list := []Workload{
		in(D0, oneToOne(small)), in(D0, workQueue()), in(D0, consume(1)), in(D0, consume(100)),
		in(D0, fanOut(10)), in(D0, topicExchange(10)), in(D0, roundTrip()), in(D0, uneven()),
	}
	for _, window := range []int{1, 100} {
		list = append(list, in(D2, publish(window)))
	}
	return append(list, paced(small))
}

// in is a workload in one class.
func in(c Class, w Workload) Workload {
	w.Classes = []Class{c}
	return w
}

// WorkloadIDs are what workloads can be asked for by.
func WorkloadIDs() []string {
	var ids []string
	for _, w := range Full() {
		if !slices.Contains(ids, w.ID) {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

func oneToOne(sizes ...int) Workload {
	return Workload{
		ID: "one-to-one", Name: "1 to 1", Classes: all, Sizes: sizes,
		Publishers: 1, Window: 1000, Consumers: 1, Prefetch: 1000,
	}
}

func workQueue() Workload {
	return Workload{
		ID: "work-queue", Name: "work queue, 1 to 4 competing", Classes: all, Sizes: []int{small},
		Publishers: 1, Window: 100, Consumers: 4, Prefetch: 1,
	}
}

func consume(prefetch int) Workload {
	return Workload{
		ID: "consume", Name: "consume and ack from a backlog", Classes: all, Sizes: []int{small},
		Publishers: 1, Window: 100, Consumers: 1, Prefetch: prefetch, order: buildDrain,
	}
}

func fanOut(queues int) Workload {
	return Workload{
		ID: "fan-out", Name: "fan-out 1 to many", Classes: all, Sizes: []int{small},
		Publishers: 1, Window: 100, Consumers: queues, Prefetch: 100, route: fanout, Fanout: queues,
	}
}

func topicExchange(bindings int) Workload {
	return Workload{
		ID: "topic", Name: "topic", Classes: all, Sizes: []int{small},
		Publishers: 1, Window: 1000, Consumers: 1, Prefetch: 1000, route: topic, Bindings: bindings,
	}
}

func roundTrip() Workload {
	return Workload{
		ID: "rpc", Name: "RPC, one call at a time", Classes: all, Sizes: []int{small},
		Publishers: 1, Window: 1, Consumers: 1, Prefetch: 1, route: andBack,
	}
}

func backlog() Workload {
	return Workload{
		ID: "backlog", Name: "build and drain a backlog", Classes: all, Sizes: []int{medium},
		Publishers: 1, Window: 1000, Consumers: 1, Prefetch: 1000, order: buildDrain,
	}
}

// uneven is work of which one piece in ten is long.
func uneven() Workload {
	work := make([]time.Duration, 10)
	for i := range work {
		work[i] = time.Millisecond
	}
	work[3] = 20 * time.Millisecond
	return Workload{
		ID: "uneven", Name: "work of uneven length, 4 competing", Classes: all, Sizes: []int{small},
		Publishers: 1, Window: 10, Consumers: 4, Prefetch: 1, work: work,
	}
}

func publish(window int) Workload {
	return Workload{
		ID: "publish", Name: "publish", Classes: all, Sizes: []int{small},
		Publishers: 1, Window: window, order: buildOnly,
	}
}

// paced is 1 to 1 at a rate that every target can do.
func paced(sizes ...int) Workload {
	w := oneToOne(sizes...)
	w.ID, w.Rate, w.Prefetch = "latency", 1000, 100
	return w
}
