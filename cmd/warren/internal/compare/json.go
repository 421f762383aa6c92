package compare

import (
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes a report as one JSON object, indented, to be read back into a
// [Report] without loss. Lists that may be empty are there all the same, unless
// said otherwise below. Names ending in _ns are nanoseconds, sizes and memory are
// bytes, rates are messages a second, times are RFC 3339.
//
//	command, version         what was run, and Warren's version
//	started, took_ns         when, and for how long
//	interrupted              true if it was stopped early; absent otherwise
//	machine                  os, arch, cpu, cores, memory, go, file_system, fsync_ns
//	targets[]                name, broker, version, client, transport, sync, replicas,
//	                         max_bytes, classes: from the class to how it is reached
//	missing[]                what was left out and why; absent if nothing was
//	behaviours[]             scenario, question, same, verdict, why, and outcomes[]: target, did,
//	                         answer, took_ns, failed, not_offered
//	measurements[]           one object for each workload, target, class and setting:
//	  workload, target       names; the target is one of targets[]
//	  class                  "D0", "D1" or "D2"
//	  size, window, prefetch, publishers, consumers, bindings
//	  rate                   asked for; absent at full speed
//	  runs[]                 one object a repeat, in the order in which they ran:
//	    started, took_ns
//	    published, delivered messages
//	    rate                 from the first publish to the last acknowledgement
//	    publish_rate         absent if the workload publishes nothing
//	    deliver_rate         absent if it delivers nothing while it publishes
//	    drain_rate           absent unless all is published before all is delivered
//	    refused              why there are neither rates nor latencies
//	    confirm, deliver     latencies from publishing to the confirm and to the handler:
//	                         count, mean_ns, p50_ns, p95_ns, p99_ns, p999_ns, max_ns,
//	                         histogram: HDR V2, compressed, in base64
//	    cpu_ns, memory       of the broker, absent where they cannot be seen
//	    client_cpu_ns        of the measuring process, absent where that is the broker, too
//	    wire_messages        messages of NATS or methods of AMQP, both ways
//	    wire_bytes           both ways
//	    lost, duplicated, reordered
//	    shares[]             deliveries of each consumer, where that is the question
func WriteJSON(w io.Writer, r Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(withoutNil(r)); err != nil {
		return fmt.Errorf("write the report as JSON: %w", err)
	}
	return nil
}

// withoutNil gives every list that is always there at least no elements: a reader
// of JSON would otherwise have to expect null.
func withoutNil(r Report) Report {
	r.Targets = append([]TargetInfo{}, r.Targets...)
	r.Behaviours = append([]Behaviour{}, r.Behaviours...)
	for i := range r.Behaviours {
		r.Behaviours[i].Outcomes = append([]Outcome{}, r.Behaviours[i].Outcomes...)
	}
	r.Measurements = append([]Measurement{}, r.Measurements...)
	for i := range r.Measurements {
		r.Measurements[i].Runs = append([]Run{}, r.Measurements[i].Runs...)
	}
	return r
}
