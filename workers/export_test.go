package workers

import "time"

// OnPoint has f called at every point of a task's life, by its name. It is for a
// process whose only worker has not begun.
func OnPoint(f func(point string)) { reached = func(p point) { f(string(p)) } }

// The points, by name.
const (
	PointPiece     = string(pointPiece)
	PointPostponed = string(pointPostponed)
	PointForwarded = string(pointForwarded)
	PointTaken     = string(pointTaken)
	PointRan       = string(pointRan)
	PointRecorded  = string(pointRecorded)
	PointSent      = string(pointSent)
	PointFilled    = string(pointFilled)
	PointCleared   = string(pointCleared)
	PointSettling  = string(pointSettling)
)

// Leaked is how many tasks outlasted their hard limit and run still.
func (w *Worker) Leaked() int { return int(w.leaked.Load()) }

// MarkersLive has what was deleted remembered for a time.
func (c Config) MarkersLive(d time.Duration) Config {
	c.markers = d
	return c
}

// Travel has steps travel with a task that are no larger.
func (c Config) Travel(size int) Config {
	c.travels = size
	return c
}

// Keep has steps that do not travel kept for a time after they are due.
func (c Config) Keep(d time.Duration) Config {
	c.keeps = d
	return c
}

// StateKey is where the record of a task is kept.
func StateKey(id string) string { return stateKey(id) }
