package celery

import (
	"encoding/json"
	"fmt"
	"time"
)

// Seconds is a duration that Celery writes as a number of seconds. It prints as a
// time.Duration does.
type Seconds time.Duration

// String is that of the duration.
func (s Seconds) String() string { return time.Duration(s).String() }

// MarshalJSON writes seconds.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON reads seconds.
func (s *Seconds) UnmarshalJSON(text []byte) error {
	var n float64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	d, err := DurationOf(n)
	*s = Seconds(d)
	return err
}

// DurationOf is a number of seconds.
func DurationOf(n float64) (time.Duration, error) {
	const most = float64(1<<63-1) / float64(time.Second)
	if !(n > -most && n < most) {
		return 0, fmt.Errorf("%v seconds are more than a duration holds", n)
	}
	return time.Duration(n * float64(time.Second)), nil
}
