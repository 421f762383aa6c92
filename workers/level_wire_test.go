package workers

import (
	"encoding/json"
	"testing"
	"time"

	"warren/workers/internal/canvas"
)

// A level is a priority on the wire, in messages and signatures, and back.
func TestLevelsAreCelerysPriorities(t *testing.T) {
	t.Parallel()
	for number, want := range []Level{Normal, Low, Low, Low, Normal, Normal, Normal, High, High, High, High} {
		if got := levelOf(uint8(number)); got != want {
			t.Errorf("priority %d is %s, want %s", number, got, want)
		}
	}
	if got := levelOf(255); got != High {
		t.Errorf("priority 255 is %s, want high", got)
	}
	for level, want := range map[Level]string{Low: `{"priority":1}`, Normal: `{"priority":5}`, High: `{"priority":9}`} {
		text, err := json.Marshal(settingsOf([]Option{Priority(level)}).CallOptions)
		if err != nil || string(text) != want {
			t.Errorf("%s is written as %s, %v; want %s", level, text, err, want)
		}
		if got := levelOf(level.number()); got != level {
			t.Errorf("%s comes back as %s", level, got)
		}
	}
	all := readCaptured(t, "5.6", "messages")
	for call, want := range map[string]Level{"delay": Normal, "priority": High} {
		m, err := decodeMessage(all[call].Messages[0].message(t))
		if err != nil || m.Level() != want {
			t.Errorf("what Celery sent with %s is %s, %v; want %s", call, m.Level(), err, want)
		}
	}
}

// A call says otherwise than its definition, also that it is normal.
func TestTheLevelOfACallCounts(t *testing.T) {
	t.Parallel()
	defined := settingsOf([]Option{Priority(High)}).CallOptions
	for _, test := range []struct {
		call []Option
		want Level
	}{{nil, High}, {[]Option{Priority(Normal)}, Normal}, {[]Option{Priority(Low)}, Low}} {
		m := newMessage(canvas.Task{Call: Signature{Options: canvas.Over(settingsOf(test.call).CallOptions, defined)}}, time.Time{})
		if m.Level() != test.want {
			t.Errorf("got %s, want %s", m.Level(), test.want)
		}
	}
}
