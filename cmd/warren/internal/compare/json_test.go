package compare

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func asJSON(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteJSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJSONReadsBack(t *testing.T) {
	t.Parallel()
	reports := awkwardReports(t)
	reports["six targets"] = sampleReport(t)
	for name, r := range reports {
		var got Report
		decoder := json.NewDecoder(strings.NewReader(asJSON(t, r)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&got); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := withoutNil(r); !reflect.DeepEqual(withoutNil(got), want) {
			t.Errorf("%s: got  %+v\nwant %+v", name, got, want)
		}
	}
}

// The names are a promise to those who read them in other languages.
func TestJSONNames(t *testing.T) {
	t.Parallel()
	var r struct {
		Command  string
		Took     int64 `json:"took_ns"`
		Machine  map[string]any
		Targets  []map[string]any
		Measured []struct {
			Workload, Target, Class string
			Size                    int
			Runs                    []map[string]any
		} `json:"measurements"`
	}
	if err := json.Unmarshal([]byte(asJSON(t, sampleReport(t))), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Measured) != 37 || r.Targets[4]["broker"] != "RabbitMQ" || r.Machine["fsync_ns"] != 412e3 || r.Took == 0 {
		t.Errorf("got %d measurements, %v, %v, took %d", len(r.Measured), r.Targets[4], r.Machine, r.Took)
	}
	run := r.Measured[0].Runs[0]
	for _, name := range []string{
		"started", "took_ns", "published", "delivered", "rate", "publish_rate", "deliver_rate", "confirm", "deliver",
		"cpu_ns", "client_cpu_ns", "memory", "wire_messages", "wire_bytes", "lost", "duplicated", "reordered",
	} {
		if _, ok := run[name]; !ok {
			t.Errorf("a run has no %q: %v", name, run)
		}
	}
	latency, _ := run["deliver"].(map[string]any)
	for _, name := range []string{"count", "mean_ns", "p50_ns", "p95_ns", "p99_ns", "p999_ns", "max_ns", "histogram"} {
		if _, ok := latency[name]; !ok {
			t.Errorf("a latency has no %q: %v", name, latency)
		}
	}
}

func TestJSONHasListsWithNothingInThem(t *testing.T) {
	t.Parallel()
	text := asJSON(t, Report{})
	if strings.Contains(text, "null") {
		t.Errorf("there is a null in %s", text)
	}
	r := Report{Measurements: []Measurement{{Workload: "1 to 1"}}, Behaviours: []Behaviour{{Scenario: "x"}}}
	if text := asJSON(t, r); strings.Contains(text, "null") {
		t.Errorf("there is a null in %s", text)
	}
	if r.Measurements[0].Runs != nil || r.Behaviours[0].Outcomes != nil {
		t.Error("writing a report has changed it")
	}
}

func TestJSONRefusesWhatIsNoNumber(t *testing.T) {
	t.Parallel()
	r := Report{Measurements: []Measurement{{Runs: []Run{{DeliverRate: math.Inf(1)}}}}}
	var out bytes.Buffer
	if err := WriteJSON(&out, r); err == nil || !strings.Contains(err.Error(), "+Inf") {
		t.Errorf("got %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("%q was written", out.String())
	}
}
