package workers

import "warren/workers/internal/celery"

// Seconds is a [time.Duration] that Celery writes as a number of seconds. It prints as
// a duration does.
type Seconds = celery.Seconds

// Moment is a [time.Time] that Celery writes in ISO 8601.
type Moment = celery.Moment

// Expiry is Celery's expires: at a moment, its field At, or so long after the task was
// sent, its field After. One of the two is given.
type Expiry = celery.Expiry
