package embeddedtest_test

import (
	"encoding/json"
	"testing"
	"time"

	"warren/embedded"
	"warren/embedded/embeddedtest"
)

// The broker's stamps tell its clock; what it is started with again may be another one.
func TestProcessAhead_TellsAnotherTime(t *testing.T) {
	t.Parallel()
	server := embeddedtest.ProcessAhead(t, embedded.Config{}, time.Hour)
	nc := server.Connect(t)
	for _, ahead := range []time.Duration{time.Hour, -25 * time.Hour, 0} {
		server.SetClock(ahead)
		server.Restart(t)
		if err := nc.FlushTimeout(30 * time.Second); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		answer, err := nc.Request("$JS.API.STREAM.CREATE.X", []byte(`{"name":"X","subjects":["x"]}`), 30*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		var info struct {
			Time time.Time `json:"ts"`
		}
		if err := json.Unmarshal(answer.Data, &info); err != nil {
			t.Fatal(err)
		}
		if low, high := began.Add(ahead).Add(-time.Second), time.Now().Add(ahead); info.Time.Before(low) || info.Time.After(high) {
			t.Errorf("a server that is %v ahead says %v, want between %v and %v", ahead, info.Time, low, high)
		}
	}
}
