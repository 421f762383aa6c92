// Package embeddedtest starts NATS servers for tests. They are real ones: it
// takes about two milliseconds to start one with JetStream, and each test has
// its own.
//
//	func TestMain(m *testing.M) { embeddedtest.Main(m) }
//
//	func TestOrders(t *testing.T) {
//		t.Parallel()
//		nc := embeddedtest.Connect(t)
//		...
//	}
//
// Everything is stopped and removed when the test ends, connections before
// servers, and [Main] fails the package if something is left running. What goes
// wrong fails the test.
//
//   - [Connect] is a connection to a server, and all that most tests need.
//   - [Start] and [Listen] are servers to stop and start again.
//   - [Process] is a server to kill: a crash, and not a shutdown.
//   - [ProcessAhead] is a server whose clock is wrong, and [BuildClocked] any program of
//     this module with such a clock, which [Clock.Set] sets while it runs.
//   - [Cluster] is several servers, to lose one of, and [ProcessCluster] several to
//     kill; [Leader] is who leads a stream, and [Lead] has one lead them all.
//   - [NewLine] is a connection that loses what it is told to.
//   - [Bubble] puts a server and a test under fake time: hours pass at once, and
//     exactly.
//
// Only tests should import it.
package embeddedtest
