package embedded

import "errors"

// Refused begins the description of the error, in place of an acknowledgement, that
// publishers to Config.Limited get while there is no room. What they published is
// not stored.
const Refused = "publishers are refused"

var (
	// ErrDirLocked is returned by [Start] when another running server, in this
	// process or in any other, keeps its data in Config.Dir. The error's text
	// names that server and, if it listens, its URL.
	ErrDirLocked = errors.New("data directory in use")

	// ErrPortInUse is returned by [Start] when somebody else listens on
	// Config.Port or Config.Cluster.Port.
	ErrPortInUse = errors.New("port in use")

	errStopped = errors.New("the server has stopped")
)
