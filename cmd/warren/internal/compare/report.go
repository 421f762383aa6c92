package compare

import "time"

// A Report is all that one run found. Its JSON form is what --json writes.
type Report struct {
	Command      string        `json:"command"`
	Version      string        `json:"version"` // Warren's own
	Started      time.Time     `json:"started"`
	Took         time.Duration `json:"took_ns"`
	Interrupted  bool          `json:"interrupted,omitempty"` // what follows is what there was until then
	Machine      Machine       `json:"machine"`
	Targets      []TargetInfo  `json:"targets"`
	Missing      []Missing     `json:"missing,omitempty"` // targets, classes and workloads left out
	Behaviours   []Behaviour   `json:"behaviours"`
	Measurements []Measurement `json:"measurements"`
}

// Machine is where the run took place.
type Machine struct {
	OS         string        `json:"os"`
	Arch       string        `json:"arch"`
	CPU        string        `json:"cpu"`
	Cores      int           `json:"cores"`
	Memory     int64         `json:"memory"`
	Go         string        `json:"go"`
	FileSystem string        `json:"file_system"`
	Fsync      time.Duration `json:"fsync_ns"` // median of writing 4 KiB and syncing it
}

// TargetInfo is a target by name.
type TargetInfo struct {
	Name string `json:"name"`
	Features
}

// Missing is something that was left out, and why.
type Missing struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// A Behaviour is what every target did in one scenario.
type Behaviour struct {
	Scenario string    `json:"scenario"` // such as "kill a worker"
	Question string    `json:"question"` // what a user wants to know
	Same     bool      `json:"same"`     // all that answered did the same
	Verdict  Verdict   `json:"verdict"`  // of Warren beside RabbitMQ, if both answered
	Why      string    `json:"why"`      // one sentence on why they differ, or why they do not
	Outcomes []Outcome `json:"outcomes"`
}

// An Outcome is what one target did.
type Outcome struct {
	Target string        `json:"target"`
	Did    string        `json:"did"`               // in words and figures: "slow 2, fast 58, all done after 1.2 s"
	Answer string        `json:"answer,omitempty"`  // what is compared: equal answers are the same behaviour
	Took   time.Duration `json:"took_ns,omitempty"` // of what the scenario is about, for programs: Did says it too
	Failed string        `json:"failed,omitempty"`  // what it should have done and did not
	// NotOffered says that the target has no such thing, or that it could not be
	// asked; Did says which.
	NotOffered bool `json:"not_offered,omitempty"`
}

// A Measurement is one workload on one target in one class, over all repeats.
type Measurement struct {
	Workload   string  `json:"workload"` // such as "fan-out 1 to 10"
	Target     string  `json:"target"`
	Class      Class   `json:"class"`
	Size       int     `json:"size"` // bytes of a body
	Window     int     `json:"window"`
	Prefetch   int     `json:"prefetch"`
	Publishers int     `json:"publishers"`
	Consumers  int     `json:"consumers"`
	Bindings   int     `json:"bindings,omitempty"`
	Rate       float64 `json:"rate,omitempty"` // messages a second asked for; 0: full speed
	Runs       []Run   `json:"runs"`
}

// A Run is one repeat of a measurement.
type Run struct {
	Started   time.Time     `json:"started"`
	Took      time.Duration `json:"took_ns"`
	Published int           `json:"published"` // and confirmed
	Delivered int           `json:"delivered"` // and acknowledged; each copy counts
	// Rate is the run's figure, in messages a second: what was delivered in the
	// time from the first publish to the last acknowledgement, or confirmed where
	// nobody consumes. The others stand beside it, 0 if the workload has no such
	// side: DeliverRate is never above what was published in the same time, and
	// DrainRate is that of a backlog after all was published.
	Rate        float64 `json:"rate,omitempty"`
	PublishRate float64 `json:"publish_rate,omitempty"`
	DeliverRate float64 `json:"deliver_rate,omitempty"`
	DrainRate   float64 `json:"drain_rate,omitempty"`
	// Refused says why a run has neither rates nor latencies.
	Refused string `json:"refused,omitempty"`
	// Confirm is from publishing to the confirm, Deliver from publishing to the
	// handler; at a fixed rate both start when the message was due.
	Confirm *Latency `json:"confirm,omitempty"`
	Deliver *Latency `json:"deliver,omitempty"`
	// CPU and Memory are the broker's, where they can be seen, and ClientCPU is this
	// process's. With a broker in this process CPU is all of it, and ClientCPU 0.
	CPU       time.Duration `json:"cpu_ns,omitempty"`
	ClientCPU time.Duration `json:"client_cpu_ns,omitempty"`
	Memory    int64         `json:"memory,omitempty"`
	// WireMessages and WireBytes went over the connections, both ways together:
	// messages of NATS, or methods of AMQP.
	WireMessages int64 `json:"wire_messages,omitempty"`
	WireBytes    int64 `json:"wire_bytes,omitempty"`

	Lost       int `json:"lost"`
	Duplicated int `json:"duplicated"`
	Reordered  int `json:"reordered"`
	// Shares are the deliveries of each consumer, where that is the question.
	Shares []int `json:"shares,omitempty"`

	steady time.Duration // the shortest part that a rate is taken of
}

// Latency is a distribution of durations.
type Latency struct {
	Count int64         `json:"count"`
	Mean  time.Duration `json:"mean_ns"`
	P50   time.Duration `json:"p50_ns"`
	P95   time.Duration `json:"p95_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
	// Histogram is the whole of it, HDR V2 compressed and in base64.
	Histogram string `json:"histogram"`
}
