package celery

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// RetryPolicy is when a failed task is run again. Tasks without one are not, as
// in Celery; a panic, and a hard time limit, count as failures like any other.
type RetryPolicy struct {
	// Max is how many retries follow the first attempt. Default: 3, as in
	// Celery; negative: without end.
	Max int `json:"max_retries"`
	// Delay is how long after the first failure the second attempt comes.
	// Default: at once.
	Delay time.Duration `json:"delay"`
	// Backoff multiplies the delay from one retry to the next. Default: 1, the
	// same every time.
	Backoff float64 `json:"backoff,omitempty"`
	// MaxDelay bounds the delay as Backoff lengthens it; it is no less than Delay. Default:
	// 10 minutes, as in Celery, or Delay where there is no Backoff. A Delay of 10 minutes
	// and more with a Backoff needs one.
	MaxDelay time.Duration `json:"max_delay,omitempty"`
	// Jitter takes a random moment up to the delay instead of the delay.
	// Default: the delay.
	Jitter bool `json:"jitter,omitempty"`

	// on and not say which errors are retried; nil means all, and none.
	on, not []error
}

// defaultRetries is how often a task may ask for a retry that has no policy.
const defaultRetries = 3

func (p RetryPolicy) withDefaults() RetryPolicy {
	if p.Max == 0 {
		p.Max = defaultRetries
	}
	if p.Backoff == 0 {
		p.Backoff = 1
	}
	if p.MaxDelay == 0 {
		p.MaxDelay = max(defaultMaxDelay, p.Delay)
	}
	return p
}

// defaultMaxDelay is what backoff is bounded by, as Celery's retry_backoff_max.
const defaultMaxDelay = 10 * time.Minute

// CheckDelays refuses a bound that would cut the delay that was asked for. It is not asked of
// policies on their way: an earlier version took them.
func CheckDelays(p RetryPolicy) error {
	switch {
	case p.MaxDelay != 0 && p.Delay > p.MaxDelay:
		return fmt.Errorf("retry policy: the delay of %v is longer than its bound of %v; make MaxDelay longer, or leave it out", p.Delay, p.MaxDelay)
	case p.MaxDelay == 0 && p.Backoff > 1 && p.Delay >= defaultMaxDelay:
		return fmt.Errorf("retry policy: a backoff from %v on ends at the default bound of %v; set MaxDelay", p.Delay, defaultMaxDelay)
	}
	return nil
}

// CheckRetry refuses a policy that is none.
func CheckRetry(p RetryPolicy) error {
	switch {
	case p.Delay < 0 || p.MaxDelay < 0:
		return errors.New("retry policy: a delay is negative; use 0 for none")
	case p.Backoff != 0 && !(p.Backoff >= 1) || math.IsInf(p.Backoff, 1):
		return errors.New("retry policy: the backoff is below 1, or no number; use 1 for the same delay every time")
	}
	return nil
}

// RetryOn retries these errors only, found with errors.Is.
func (p RetryPolicy) RetryOn(errs ...error) RetryPolicy {
	p.on = append(p.on[:len(p.on):len(p.on)], errs...)
	return p
}

// NoRetryOn does not retry these errors, found with errors.Is.
func (p RetryPolicy) NoRetryOn(errs ...error) RetryPolicy {
	p.not = append(p.not[:len(p.not):len(p.not)], errs...)
	return p
}

// WithErrorsOf is a policy with the errors that another one retries.
func WithErrorsOf(p, other RetryPolicy) RetryPolicy {
	p.on, p.not = other.on, other.not
	return p
}

// NextRetry says whether, and after how long, a task that failed so is run again after so
// many retries.
func NextRetry(p RetryPolicy, err error, retries int) (after time.Duration, ok bool) {
	p = p.withDefaults()
	return p.delay(retries), p.wants(err) && p.allows(retries)
}

// AllowsRetry reports whether a task that asks for it is run again after so many retries:
// one without a policy three times.
func AllowsRetry(p *RetryPolicy, retries int) bool {
	if p == nil {
		p = &RetryPolicy{}
	}
	return p.withDefaults().allows(retries)
}

// wants reports whether an error is one to retry.
func (p RetryPolicy) wants(err error) bool {
	for _, not := range p.not {
		if errors.Is(err, not) {
			return false
		}
	}
	for _, on := range p.on {
		if errors.Is(err, on) {
			return true
		}
	}
	return len(p.on) == 0
}

// allows reports whether there is another retry after so many.
func (p RetryPolicy) allows(retries int) bool { return p.Max < 0 || retries < p.Max }

// delay is how long to wait before the retry that follows so many.
func (p RetryPolicy) delay(retries int) time.Duration {
	d := float64(p.Delay) * math.Pow(p.Backoff, float64(retries))
	if !(d < float64(p.MaxDelay)) {
		d = float64(p.MaxDelay)
	}
	if p.Jitter && d > 0 {
		return rand.N(time.Duration(d) + 1)
	}
	return time.Duration(d)
}
