package workers

import (
	"encoding/json"
	"fmt"
	"time"
)

// seconds is a duration that Celery writes as a number of seconds.
type seconds time.Duration

// MarshalJSON writes seconds.
func (s seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON reads seconds.
func (s *seconds) UnmarshalJSON(text []byte) error {
	var n float64
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	d, err := durationOf(n)
	*s = seconds(d)
	return err
}

func durationOf(n float64) (time.Duration, error) {
	const most = float64(1<<63-1) / float64(time.Second)
	if !(n > -most && n < most) {
		return 0, fmt.Errorf("%v seconds are more than a duration holds", n)
	}
	return time.Duration(n * float64(time.Second)), nil
}
