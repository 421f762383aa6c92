package workers

import (
	"errors"
	"fmt"
	"time"

	"warren/workers/internal/canvas"
	"warren/workers/internal/celery"
)

// An Option says how a task is sent and run. Given where the task is defined, it
// holds for all its calls; given to a call, it holds for that call.
type Option func(*settings)

// settings are what options set.
type settings struct {
	CallOptions
	unique  unique
	pace    pace
	throws  []error
	problem error
}

func settingsOf(opts []Option) settings {
	var s settings
	for _, o := range opts {
		o(&s)
	}
	return s
}

func (s *settings) refuse(format string, args ...any) {
	if s.problem == nil {
		s.problem = fmt.Errorf(format, args...)
	}
}

// Queue sends the task to a queue. Default: that of its definition, or the
// app's routes, or the app's own.
func Queue(name string) Option {
	return func(s *settings) {
		if name != "" {
			if err := checkQueue(name, Normal); err != nil {
				s.refuse("%w", err)
			}
		}
		s.Queue = name
	}
}

// Countdown lets the task wait in the server for so long before a worker gets
// it. Default: at once.
func Countdown(d time.Duration) Option {
	return func(s *settings) {
		if d < 0 {
			s.refuse("countdown %v is negative; use 0 for at once", d)
		}
		s.Countdown = Seconds(d)
	}
}

// ETA lets the task wait in the server until then, by the broker's clock.
func ETA(at time.Time) Option { return func(s *settings) { s.ETA = &Moment{Time: at} } }

// Expires revokes the task when no worker has begun it so long after it was
// sent. Default: never.
func Expires(after time.Duration) Option {
	return func(s *settings) {
		if after <= 0 {
			s.refuse("expiry %v is over before it begins; use a positive one", after)
		}
		s.expire(&Expiry{After: after})
	}
}

// ExpiresAt revokes the task when no worker has begun it by then, by the broker's clock.
func ExpiresAt(at time.Time) Option {
	return func(s *settings) {
		if at.IsZero() {
			s.refuse("ExpiresAt has no time; leave it out for a task that does not expire")
		}
		s.expire(&Expiry{At: at})
	}
}

// expire refuses a time and a duration together.
func (s *settings) expire(e *Expiry) {
	if s.Expires != nil && s.Expires.At.IsZero() != e.At.IsZero() {
		s.refuse("both Expires and ExpiresAt are given; use one")
	}
	s.Expires = e
}

// ID is the id of the task: any text of up to 255 bytes. A second one of the same id,
// within two minutes, is
// not sent. Default: one is made.
func ID(id string) Option { return func(s *settings) { s.TaskID = id } }

// Unique sends no second task of a key within a time: the call gives a handle on
// the first one instead, whether that has ended or not. It is for single tasks,
// and counts a part of a second as a whole one.
func Unique(key string, within time.Duration) Option {
	return func(s *settings) {
		if key == "" || within < time.Second {
			s.refuse("unique key %q for %v: use a key, and a second or more", key, within)
		}
		s.unique = unique{key, within}
	}
}

// Header adds a header that middleware and tasks can read.
func Header(name, value string) Option {
	return func(s *settings) { s.Headers = canvas.WithHeader(s.Headers, name, value) }
}

// IgnoreResult keeps no result of the task: who asks for it waits in vain. Failures
// are kept, and so is a result that is handed on, to a callback, the next step of a
// chain or a chord, so that no second run hands on another one.
func IgnoreResult() Option { return func(s *settings) { s.NoResult = true } }

// ResultExpires is how long the result is kept. Default: the app's, a day.
func ResultExpires(after time.Duration) Option {
	return func(s *settings) {
		if after < time.Second {
			s.refuse("result expiry %v: use a second or more", after)
		}
		s.ResultTTL = Seconds(after)
	}
}

// Retry runs the task again when it fails. Default: it is not.
func Retry(p RetryPolicy) Option {
	return func(s *settings) {
		if err := errors.Join(celery.CheckRetry(p), celery.CheckDelays(p)); err != nil {
			s.refuse("%w", err)
		}
		s.Retry = &p
	}
}

// Throws says that these errors, found with errors.Is, are no surprise: that the task
// has failed with one is logged as news, and not as an error. It fails all the same.
// It is set where the task is defined. Default: none.
func Throws(errs ...error) Option {
	return func(s *settings) { s.throws = append(s.throws, errs...) }
}

// SoftLimit ends the context of the task, with [ErrSoftTimeLimit], after so long.
// Default: no limit.
func SoftLimit(d time.Duration) Option {
	return func(s *settings) {
		if d <= 0 {
			s.refuse("soft limit %v: use a positive one", d)
		}
		s.SoftLimit = Seconds(d)
	}
}

// HardLimit gives the task up after so long: it has failed, with [ErrTimeLimit],
// and its place is free, whether its code returns or not. Default: no limit.
func HardLimit(d time.Duration) Option {
	return func(s *settings) {
		if d <= 0 {
			s.refuse("hard limit %v: use a positive one", d)
		}
		s.HardLimit = Seconds(d)
	}
}

func first[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}
