package workers

// OnPoint has f called at every point of a task's life, by its name. It is for a
// process whose only worker has not begun.
func OnPoint(f func(point string)) { reached = func(p point) { f(string(p)) } }

// The points, by name.
const (
	PointPiece     = string(pointPiece)
	PointForwarded = string(pointForwarded)
	PointTaken     = string(pointTaken)
	PointRan       = string(pointRan)
	PointRecorded  = string(pointRecorded)
	PointSent      = string(pointSent)
	PointFilled    = string(pointFilled)
	PointSettling  = string(pointSettling)
)

// Leaked is how many tasks outlasted their hard limit and run still.
func (w *Worker) Leaked() int { return int(w.leaked.Load()) }
