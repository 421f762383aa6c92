package workers

// A point is a moment of a task's life at which its worker may be killed.
type point string

// The points, in the order in which a task passes them.
const (
	pointPiece     point = "after a piece was sent"
	pointPostponed point = "after it was sent to wait for its time"
	pointForwarded point = "after it was forwarded"
	pointTaken     point = "before the run"
	pointRan       point = "after the run"
	pointRecorded  point = "after the result was recorded"
	pointSent      point = "after what follows was sent"
	pointFilled    point = "after a slot was filled"
	pointCleared   point = "after the steps of a chain were cleared away"
	pointSettling  point = "before the ack"
)

// reached is called at every point. It does nothing, unless a test has it kill
// the process.
var reached = func(point) {}
