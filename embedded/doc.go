// Package embedded runs a NATS server with JetStream inside this process.
//
// Use it for a program that brings its own broker, such as a tool, a service on one
// machine, or a test (see package warren/embedded/embeddedtest). Run nats-server itself
// when the broker must outlive the program, or when you need its configuration file,
// accounts or monitoring.
//
//	s, err := embedded.Start(embedded.Config{})
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	nc, err := s.Connect()
//
// The zero [Config] is a server nobody else can reach, on a temporary directory.
// With a Port other programs dial [Server.URL]; with a Dir the data stays; with
// a [Cluster] it is one of several. It is the server that also runs on its own,
// so what outgrows the process moves to one that does, with its clients
// unchanged.
//
// # Guarantees
//
// A server has started when Start returns: every stream in its directory is
// loaded. If one cannot be, Start fails, and does not leave an empty one to be
// made in its place.
//
// Files that were damaged while no server ran are noticed as far as this goes. A
// server that is closed notes in its directory what each stream in files holds, and
// the next one warns in the log of streams, messages and consumers that are gone; of
// messages it tells how many there were and are, and their sequences. It looks at what
// could be loaded: a damaged file that loads as before is not noticed until it is read.
// Nothing is said of fewer messages where some may have expired meanwhile. After a kill
// it is noticed only that a stream ends before where it stood at the last start. A
// server of a cluster compares nothing: the others have the messages too.
//
// A directory belongs to one server. Two would both acknowledge messages and
// lose one another's, so Start locks it first and otherwise fails with
// [ErrDirLocked], naming the holder. The operating system releases the lock with
// the process, however that ends.
//
// A server has stopped when Close returns: nothing of it is running, what it
// acknowledged is on disk, and its port, its directory and its lock are free. A
// Start that fails leaves as little.
//
// Memory and disk are limited even if nobody said to what. A publish beyond the
// limit is refused and not dropped: publishers get an error at once, [Refused], that
// says which limit it is, while consumers can begin, go on and so make room. Then
// publishers are served again. They are refused a moment after the limit is reached,
// which a fast one may exceed. Each server of a cluster does so for the clients that
// are connected to it, by what it holds itself.
//
// A disk that somebody else has filled does not stop the server for good. If a write
// has failed, publishers are refused until the directory can be written again; then
// the server starts anew in this process, with its port and its directory. Clients
// see it restart: what was acknowledged is there, as after a program was killed.
//
// # What a crash takes
//
// This holds for a stream in files on one server, after the acknowledgement of
// a publish:
//
//	                    program killed    system crash or power cut
//	SyncInterval        nothing           at most the last interval
//	SyncAlways          nothing           nothing
//	stream in memory    everything        everything
//
// That is as far as the disk keeps its own promise. Two things are weaker. A
// consumer's acknowledgements are written down some ten times a second: what was
// acknowledged just before a crash may be delivered again, unless the
// acknowledgement removes the message, as it does on a work-queue stream. And a
// stream that asks for asynchronous persistence is acknowledged before it is
// written.
//
// In a cluster a publish is acknowledged when a majority has written it. A
// program killed on one server takes nothing. Power cuts may still, as soon as
// they strike several servers at once, or one that is then cut off: without
// SyncAlways nobody waited for the disks.
//
// # What it is not
//
// It is not a shield: a panic anywhere in the program ends the broker with it,
// and a program that is killed takes the broker along for everybody.
//
// It is not all of nats-server: there are no accounts, leaf nodes, gateways,
// WebSockets, MQTT, monitoring port or configuration file. Whoever needs one
// runs nats-server.
//
// It sets no signal handlers and ends no process. Close it from main.
package embedded
