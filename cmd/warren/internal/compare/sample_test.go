package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// sampleReport is a report as a run of some minutes gives it: six targets, three
// classes, settings of one workload, full speed and a fixed rate, faults, things
// left out. It is the same each time, and the caller's own.
func sampleReport(t *testing.T) Report {
	t.Helper()
	made, err := sampleJSON()
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(made, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// sampleJSON is made once, for that takes a while.
var sampleJSON = sync.OnceValues(func() ([]byte, error) {
	s := sampler{random: rand.New(rand.NewPCG(1, 2)), at: time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)}
	started := s.at
	r := Report{
		Command: "warren compare --quick --rabbitmq amqp://guest:xxxxx@127.0.0.1:5672/ --html report.html",
		Version: "v1.2.0", Started: started,
		Machine: Machine{
			OS: "linux", Arch: "amd64", CPU: "Intel(R) Xeon(R) Processor @ 2.60GHz", Cores: 2, Memory: 8 << 30,
			Go: "go1.26.8", FileSystem: "ext4", Fsync: 412 * time.Microsecond,
		},
		Targets: sampleTargets(),
		Missing: []Missing{
			{"class D2 of rabbitmq classic", "RabbitMQ 4 does not sync a classic queue before its confirm"},
			{"restart of rabbitmq classic", "it was not started by this command"},
		},
		Behaviours: sampleBehaviours(),
	}
	for _, size := range []int{128, 16 << 10} {
		for i, speed := range []float64{123_000, 71_000, 131_000, 98_400, 68_200} {
			r.Measurements = append(r.Measurements, s.full("1 to 1", i, D0, size, speed/math.Sqrt(float64(size)/128), 1))
		}
	}
	for i, speed := range []float64{49_300, 21_000, 48_100, 20_700, 9_600} {
		m := s.full("work queue", i, D1, 128, speed, 4)
		m.Prefetch = 1
		for j := range m.Runs {
			m.Runs[j].Shares = []int{m.Runs[j].Delivered / 10, m.Runs[j].Delivered * 3 / 10, m.Runs[j].Delivered * 3 / 10, m.Runs[j].Delivered * 3 / 10}
		}
		r.Measurements = append(r.Measurements, m)
	}
	for i, speed := range []float64{247_000, 215_000, 250_000, 216_000, 84_000} {
		m := s.full("fan-out 1 to 10", i, D1, 128, speed, 10)
		if i == 4 {
			m.Runs[1].Lost, m.Runs[2].Duplicated, m.Runs[2].Reordered = 3, 12, 1
		}
		r.Measurements = append(r.Measurements, m)
	}
	for _, i := range []int{0, 1, 2, 3, 5} {
		m := s.full("backlog build", i, D2, 1024, []float64{70_000, 61_000, 22_000, 21_000, 0, 36_000}[i], 0)
		for j := range m.Runs {
			m.Runs[j].Delivered, m.Runs[j].Rate, m.Runs[j].DeliverRate, m.Runs[j].Deliver = 0, m.Runs[j].PublishRate, 0, nil
		}
		r.Measurements = append(r.Measurements, m)
	}
	for _, class := range []Class{D1, D2} {
		for i, median := range []time.Duration{100, 250, 96, 246, 330, 410} {
			if class == D2 {
				median += 600
			}
			r.Measurements = append(r.Measurements, s.paced("1 to 1", i, class, median*time.Microsecond))
		}
	}
	r.Took = s.at.Sub(started)
	if s.err != nil {
		return nil, s.err
	}
	return json.Marshal(r)
})

func sampleTargets() []TargetInfo {
	jetStream := map[Class]string{
		D0: "memory stream", D1: "file stream, synced every second", D2: "file stream, synced before each confirm",
	}
	of := func(name, client, transport string) TargetInfo {
		return TargetInfo{name, Features{
			Broker: "nats-server", Version: "2.15.2", Client: client, Transport: transport, Classes: jetStream,
			Sync: "every second, or always in D2", Replicas: 1, MaxBytes: 64 << 20,
		}}
	}
	rabbit := func(name string, classes map[Class]string) TargetInfo {
		return TargetInfo{name, Features{
			Broker: "RabbitMQ", Version: "3.10.8", Client: "amqp091-go v1.16.0", Transport: "TCP", Classes: classes,
			Sync: "when idle, or before the confirm of a persistent message", Replicas: 1,
		}}
	}
	return []TargetInfo{
		of("warren embedded", "warren v1.2.0", "in process"),
		of("warren tcp", "warren v1.2.0", "TCP"),
		of("raw embedded", "nats.go v1.55.0", "in process"),
		of("raw tcp", "nats.go v1.55.0", "TCP"),
		rabbit("rabbitmq classic", map[Class]string{D0: "transient messages", D1: "durable queue, persistent messages"}),
		rabbit("rabbitmq quorum", map[Class]string{D2: "quorum queue, persistent messages"}),
	}
}

func sampleBehaviours() []Behaviour {
	return []Behaviour{
		{
			Scenario: "fair dispatch", Question: "Does a slow worker hold the others up?", Same: true, Verdict: AllAlike,
			Why: "With a prefetch of 1 each gives a worker its next task when it has acknowledged the last.",
			Outcomes: []Outcome{
				{Target: "warren embedded", Did: "slow 2, fast 58", Answer: "fair", Took: 1210 * time.Millisecond},
				{Target: "rabbitmq classic", Did: "slow 2, fast 58", Answer: "fair", Took: 1245 * time.Millisecond},
			},
		},
		{
			Scenario: "kill a worker", Question: "How long until another has its message?", Same: true, Verdict: AllAlike,
			Why: "Both notice that the connection is gone and give the message back at once.",
			Outcomes: []Outcome{
				{Target: "warren embedded", Did: "redelivered, marked so", Answer: "redelivered", Took: 2100 * time.Microsecond},
				{Target: "warren tcp", Did: "redelivered, marked so", Answer: "redelivered", Took: 3400 * time.Microsecond},
				{Target: "rabbitmq classic", Did: "redelivered, marked so", Answer: "redelivered", Took: 6800 * time.Microsecond},
			},
		},
		{
			Scenario: "order after requeue", Question: "Where does a message go that is given back?", Same: false, Verdict: LikeRabbitMQ,
			Why: "A quorum queue serves what was returned first in the order of returning, a classic queue in that of publishing.",
			Outcomes: []Outcome{
				{Target: "warren embedded", Did: "1 2 3 4 5", Answer: "publishing"},
				{Target: "rabbitmq classic", Did: "1 2 3 4 5", Answer: "publishing"},
				{Target: "rabbitmq quorum", Did: "3 1 2 4 5", Answer: "returning"},
				{Target: "raw tcp", NotOffered: true},
			},
		},
		{
			Scenario: "message of 32 MiB", Question: "What becomes of a message that is too large?", Same: false, Verdict: UnlikeRabbitMQ,
			Why: "Limits differ, and so does what ends: Warren refuses the message, RabbitMQ closes the channel.",
			Outcomes: []Outcome{
				{Target: "warren embedded", Did: "refused, the connection goes on", Answer: "refused"},
				{Target: "rabbitmq classic", Did: "the channel was closed", Answer: "closed", Failed: "an error that names the limit"},
			},
		},
	}
}

type sampler struct {
	random *rand.Rand
	at     time.Time
	err    error // the first
}

const repeats = 3

func (s *sampler) full(workload string, target int, class Class, size int, speed float64, consumers int) Measurement {
	m := Measurement{
		Workload: workload, Target: sampleTargets()[target].Name, Class: class, Size: size,
		Window: 100, Prefetch: 100, Publishers: 1, Consumers: consumers,
	}
	for range repeats {
		rate := speed * (0.94 + 0.12*s.random.Float64())
		publish := rate / float64(max(consumers, 1))
		wait := time.Duration(100 / publish * float64(time.Second))
		m.Runs = append(m.Runs, s.run(publish, rate, wait, target))
	}
	return m
}

func (s *sampler) paced(workload string, target int, class Class, median time.Duration) Measurement {
	m := Measurement{
		Workload: workload, Target: sampleTargets()[target].Name, Class: class, Size: 128,
		Window: 1000, Prefetch: 100, Publishers: 1, Consumers: 1, Rate: 1000,
	}
	for range repeats {
		m.Runs = append(m.Runs, s.run(1000, 1000, median, target))
	}
	return m
}

func (s *sampler) run(publish, deliver float64, median time.Duration, target int) Run {
	const took = 3 * time.Second
	r := Run{
		Started: s.at, Took: took, Rate: deliver, PublishRate: publish, DeliverRate: deliver, WireMessages: int64(4 * deliver * took.Seconds()), WireBytes: int64(640 * deliver * took.Seconds()),
		Published: int(publish * took.Seconds()), Delivered: int(deliver * took.Seconds()),
		Confirm: s.latency(median * 4 / 5), Deliver: s.latency(median),
	}
	if target != 3 {
		r.ClientCPU = took / 3
		r.CPU, r.Memory = took*time.Duration(4+target)/10, int64(40+20*target)<<20
	}
	s.at = s.at.Add(took + 250*time.Millisecond)
	return r
}

// latency is log-normal, as latencies are.
func (s *sampler) latency(median time.Duration) *Latency {
	h := hdrhistogram.New(1, time.Minute.Nanoseconds(), 2)
	for range 3000 {
		v := float64(median) * math.Exp(0.45*s.random.NormFloat64())
		if s.random.IntN(400) == 0 {
			v *= 8
		}
		if err := h.RecordValue(int64(v)); err != nil && s.err == nil {
			s.err = err
		}
	}
	l, err := sampleLatency(h)
	if err != nil && s.err == nil {
		s.err = err
	}
	return l
}

func sampleLatency(h *hdrhistogram.Histogram) (*Latency, error) {
	at := func(percentile float64) time.Duration { return time.Duration(h.ValueAtPercentile(percentile)) }
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	return &Latency{
		Count: h.TotalCount(), Mean: time.Duration(h.Mean()), Histogram: string(encoded),
		P50: at(50), P95: at(95), P99: at(99), P999: at(99.9), Max: time.Duration(h.Max()),
	}, nil
}

// awkwardReports are those in which something is missing, odd or out of the ordinary.
func awkwardReports(t *testing.T) map[string]Report {
	t.Helper()
	reports := map[string]Report{"empty": {}}

	one := sampleReport(t)
	one.Targets = one.Targets[:1]
	one.Measurements = []Measurement{one.Measurements[0]}
	one.Measurements[0].Runs = one.Measurements[0].Runs[:1]
	one.Behaviours = one.Behaviours[:1]
	one.Behaviours[0].Outcomes = one.Behaviours[0].Outcomes[:1]
	one.Missing = nil
	reports["one target"] = one

	interrupted := sampleReport(t)
	interrupted.Interrupted = true
	interrupted.Behaviours = interrupted.Behaviours[:1]
	interrupted.Measurements = interrupted.Measurements[:3]
	interrupted.Measurements[2].Runs = nil
	reports["interrupted"] = interrupted

	hostile := sampleReport(t)
	const name = `<script>alert("1")</script> & 'co' </script><!-- ]]>`
	hostile.Command, hostile.Version = name, name
	hostile.Machine.CPU = name + "\nmore"
	for i := range hostile.Targets {
		hostile.Targets[i].Name = name + hostile.Targets[i].Name
		hostile.Targets[i].Client += name
	}
	for i := range hostile.Measurements {
		hostile.Measurements[i].Target = name + hostile.Measurements[i].Target
		hostile.Measurements[i].Workload += name
	}
	for i := range hostile.Behaviours {
		hostile.Behaviours[i].Scenario, hostile.Behaviours[i].Why = name, name
		for j := range hostile.Behaviours[i].Outcomes {
			hostile.Behaviours[i].Outcomes[j].Did = name
		}
	}
	reports["hostile names"] = hostile

	extreme := sampleReport(t)
	h := hdrhistogram.New(1, time.Hour.Nanoseconds(), 3)
	for _, v := range []time.Duration{1, time.Microsecond, 40 * time.Minute} {
		if err := h.RecordValue(int64(v)); err != nil {
			t.Fatal(err)
		}
	}
	latency, err := sampleLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	extreme.Measurements = extreme.Measurements[:1]
	extreme.Measurements[0].Runs = []Run{
		{Delivered: 1, Rate: 1e-3, Deliver: latency},
		{Delivered: 1, Rate: 1e12, Deliver: latency},
		{Delivered: 1, Rate: 1e12, Deliver: latency},
	}
	reports["extreme figures"] = extreme

	many := sampleReport(t)
	fast, paced := many.Measurements[0], many.Measurements[len(many.Measurements)-1]
	many.Targets, many.Measurements = nil, nil
	for i := range 30 {
		target := sampleTargets()[i%6]
		target.Name = fmt.Sprint(target.Name, " ", i)
		fast.Target, paced.Target = target.Name, target.Name
		many.Targets = append(many.Targets, target)
		many.Measurements = append(many.Measurements, fast, paced)
	}
	reports["thirty targets"] = many

	stranger := sampleReport(t)
	stranger.Targets = nil
	stranger.Measurements[0].Class = "D9"
	reports["targets that are not listed"] = stranger
	return reports
}
