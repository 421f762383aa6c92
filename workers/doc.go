// Package workers runs tasks on NATS JetStream the way Celery does: typed calls
// in front, Celery's protocol 2 on the wire, queues of package streams below.
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
// Calls are put together with [Chain2] to [Chain6], [Pipe], [Group], [Chord],
// [Map], [Starmap], [Chunks], Link and LinkError; wiring that does not fit does
// not compile. S is a complete call, P one whose first argument comes from what
// is before it. What is known at run time only goes through [App.Signature] and
// [App.Canvas], and is checked before it is sent.
//
// What is to be done again and again is an [Entry], which a [Scheduler] sends:
//
//	err = app.Scheduler(workers.SchedulerConfig{Entries: []workers.Entry{{
//		Name: "report", Schedule: workers.Crontab("0 9 * * MON").In("Europe/Kyiv"), Call: report.S(),
//	}}}).Run(ctx)
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
//   - A run of an [Entry] is sent by one scheduler, whoever leads and is killed: it
//     is claimed by compare-and-set, has the same ids whoever sends it, and is
//     claimed again by the worker. Sent twice, it runs once, for as long as its
//     record is kept. What was claimed and not sent, the next leader sends.
//   - A [Scheduler] that stops is followed at once, one that is killed within
//     [Config.Lease]. Entries and their last runs outlast all schedulers.
//   - Intervals, crontabs and what a clock that is put forward or back does to
//     them: see [Every] and [Schedule.In]. Missed runs: see [Missed].
//   - Tasks with a countdown or an ETA, and retries, wait in the server and in no
//     worker, and never begin before their time.
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
// made with the first task of that level. The store "tasks" has what
// became of each task, the groups that something waits for, what is revoked, what
// was given up, which queues are paused and which levels they have, and which workers are there;
// values expire by themselves. The queue "warren.later" has what waits for its
// time, and every worker forwards from it. The store "beat" has the entries of all
// apps, their last runs, and who leads.
package workers
