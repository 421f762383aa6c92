// Package workers runs tasks in the background the way Celery does, on a NATS server
// with JetStream: typed calls in front, Celery's protocol 2 on the wire, queues of
// package streams below.
//
// Use it when work must not hold up whoever asks for it, must survive crashes, be
// retried, wait for its time or run periodically, or when tasks depend on the results
// of others; and when clients or workers of Celery share the work. If a task must commit
// in one transaction with your own data, use a queue in your database. For messages
// without results use package warren/streams.
//
// An ordinary function becomes a task, and its types are inferred:
//
//	app := workers.New("shop")
//	add := workers.Func2(app, "add", func(ctx context.Context, x, y int) (int, error) {
//		return x + y, nil
//	})
//
//	err := app.Connect(ctx, nc, workers.Config{})
//	result, err := add.Delay(ctx, 1, 1) // *Result[int]
//	sum, err := result.Get(ctx)         // 2
//
//	err = app.Worker(workers.WorkerConfig{}).Run(ctx) // in this process or another
//
// A task that returns nothing but an error is registered with [Do0] to [Do4], and its
// result is a [None].
//
// Calls are put together with [Chain2] to [Chain6], [Pipe], [Group], [Chord],
// [Map], [Starmap], [Chunks], Link and LinkError; wiring that does not fit does
// not compile. S is a complete call, P one whose first argument comes from what
// is before it. What is known at run time only goes through [App.Signature] and
// [App.Canvas], and is checked before it is sent.
//
// What is to be done again and again is an entry of package workers/beat, whose scheduler
// sends it. [App.Run] runs a worker and a scheduler in one process. Packages
// workers/prometheus and workers/otel count and trace tasks.
//
// # Promises
//
//   - A task that was sent is run at least once, whoever is killed when. What is
//     sent twice because nobody knew whether it had arrived is run once, unless
//     more than two minutes lie between.
//   - A task is acknowledged after its end is recorded and what follows it is
//     sent. A worker that is killed loses nothing: within [Config.Lease] another
//     one runs its tasks again.
//   - The end of a task is recorded once. A run that was overtaken by another run
//     of the same task, because its worker was thought dead, records nothing, and
//     nothing follows from it.
//   - What follows an end follows once, also when it is sent twice: ids are fixed
//     when a canvas is sent. The members of a group count by their first result.
//   - A canvas that begins with several tasks is sent whole or not at all, on a
//     server from 2.12 on in one transaction if they are 1000 at most, of one
//     queue, and to run at once. What takes more is planned: when its client dies in
//     between, a worker sends the rest, within [Config.Lease].
//   - States are recorded from the sending on: a task that waits is PENDING, an id
//     that nobody knows is UNKNOWN.
//   - Get waits exactly as long as its context, and is told of the end instead of
//     asking for it.
//   - A chain of twice the steps takes twice as long. Steps that follow a task travel with
//     it while they are small, about four thousand bytes; larger ones are kept once, and
//     the task says where. They are kept until thirty days after the last of them is due,
//     and longer while the chain goes on: each step may wait and run for thirty days. A
//     chain whose steps are lost all the same fails where the first of them would begin,
//     with the reason and a dead letter, and who waits for its end is told.
//   - What stands behind a failure ends at once, members of groups too. A chord
//     of which members failed is a [ChordError], through every handle.
//   - A worker holds no more tasks than it runs, of all queues and levels together,
//     besides those whose code is done and whose end it records, at most as many.
//   - Each time that a worker has a free place, it begins the most urgent task of
//     those that wait in a queue (see [Priority]), and of its queues the one whose turn
//     it is (see [WorkerConfig]): the order of queues comes before that of levels. A
//     task that was sent a moment before may be overlooked once, for as long as the
//     broker takes to count it, and so may the first of a level that its queue never
//     had, until workers have heard of it. What runs is not interrupted.
//   - A message of another program counts by its AMQP priority. While it waits, it
//     waits among those of the queue that it was sent to: one that is less urgent goes
//     behind them when it comes to a worker, and one that is more urgent does not
//     overtake them. To be High at once it is sent to the queue "warren.high." and the
//     queue's name.
//   - Time is told by the broker's clock: when a countdown, a retry or an expiry is
//     over, when an entry is due, and every date that is kept or told. The clocks of
//     clients, workers and schedulers do not count; one that differs from the broker's
//     by more than a second is logged when its app connects. A date that is given, as
//     an ETA, is a date of the broker's clock.
//   - Tasks with a countdown or an ETA, and retries, wait in the server and in no
//     worker, and never begin before their time.
//
// # Clients of Celery
//
// A task that a client of Celery has sent, in protocol 2 or 1, works as Celery's worker
// has it, or is refused: it has failed under its own id with [ErrDecode] and the reason,
// and is a dead letter.
//
//   - An ETA, and a countdown, waits in the server: a worker that gets such a task sends
//     it to wait, and a place and the prefetch are free again. It is one task, whoever
//     is killed when. A time after 2261 is refused.
//   - The header expires and AMQP's expiration revoke what no worker has begun by then,
//     whichever is over first.
//   - Times are in ISO 8601, with a T or a blank, with any zone or with none, which is UTC.
//   - Bodies are JSON: as they are, or compressed with zlib, gzip or bzip2. Pickle, YAML,
//     msgpack and other compressions are refused.
//   - NaN and the infinities can be given to a float, and are sent on. No result is one:
//     a task that returns one has failed. Typed values (datetime, date, time, decimal,
//     uuid, bytes) are read where Go reads their plain form.
//   - An id is any text of up to 255 bytes of UTF-8, wherever an id is asked for.
//   - A worker of Celery's, or of an earlier version, runs the steps of a long chain that
//     travel with a task. It takes what follows them for a call of the task "warren.chain",
//     in the queue of the app that sent the chain, and a worker there goes on. On a queue of
//     which only Celery's workers take, that task is one they do not know.
//   - A chord that the client has begun is refused, see [ErrForeignChord]. shadow and
//     stamps are carried and mean nothing here.
//   - What a task has come to is recorded as always, and sent to the queue that its
//     reply_to names: a client with the backend rpc:// gets its results, those of what
//     follows in a chain too. It is sent for each attempt that ends (RETRY, SUCCESS, FAILURE,
//     REVOKED), not when a task begins. Other backends get nothing.
//
// # Workers of Celery
//
// A task can be sent to a queue that workers of Celery take from. With the backend rpc://
// they tell what has become of it, and an app with [Config.Replies] records that: who
// waits for the result need not know who ran the task. Workers of both kinds can share a
// queue if they have the same tasks: Celery's drop a task they do not know.
//
// # Several apps
//
// The tasks of an app wait in the queue of its name, and its workers take from there and
// from "celery", the default queue of Celery's clients, which so reach a worker of an app
// of any name. A worker that gets a task it does not know hands it back while another
// worker is there that knows it and takes from the same queue, and says so once in its
// log. The task waits in the server meanwhile, a tenth of a second at first and five
// seconds at most, and takes no place. When nobody is there who knows it, it fails with
// [ErrNotRegistered], under its own id and with a dead letter: at once on the queue of
// the worker's own app, as in Celery, and elsewhere when none has come for a minute of
// such waiting.
//
// # Looking in
//
// Workers answer what [App.Control] asks them, and tell events to whoever listens
// with [App.Events]. A worker that was killed is known to be missing until its
// record expires; one that hangs in a task answers, and says how old the task is.
// A queue is paused for all workers, those to come too, with [App.Pause].
//
// A worker logs what becomes of its tasks, at levels that [Config.Logger] tells of. The
// code of a task logs by [Logger], and [Throws] says which failures are no surprise.
//
// What is given up is kept for thirty days: see [App.DeadLetters] and [App.Replay].
// It is kept before anything follows it, and a replay that is cut off can be done
// again.
//
// # What a crash can cost
//
// The effects of a task's own code may happen twice, where its worker was killed
// before its end was recorded: make them idempotent, by the id in [RequestOf] for
// example. A power cut of the server's machine may cost what
// was confirmed in the last second before it with the embedded server's default, in
// the last two minutes with a nats-server as it comes, and nothing with sync always.
//
// # How it is kept
//
// A task queue is a durable queue of package streams, and so is each level of it but
// the normal one: "warren.high.celery" and "warren.low.celery" of the queue "celery",
// made with the first task of that level. The store "tasks" has what became of each task,
// the groups that something waits for, the steps of long chains, what is revoked, what was
// given up, which queues are paused and which levels they have, and which workers are
// there; values expire by themselves. The queue "warren.later" has what waits for its
// time, and every worker forwards from it. The store "beat" is that of package
// workers/beat.
package workers
