// Package beat sends tasks of package workers again and again, at their times: Celery's
// beat.
//
// An [Entry] is a call with a [Schedule], which [Every], [Crontab] or [At] makes. A
// [Scheduler] puts its entries at the broker and sends what is due:
//
//	app := workers.New("shop")
//	report := workers.Do0(app, "report", func(ctx context.Context) error { ... })
//	err := app.Connect(ctx, nc, workers.Config{})
//
//	scheduler := beat.New(app, beat.Config{Entries: []beat.Entry{{
//		Name: "report", Schedule: beat.Crontab("0 9 * * MON").In("Europe/Kyiv"), Call: report.S(),
//	}}})
//	err = app.Run(ctx, workers.WorkerConfig{}, scheduler) // and a worker beside it
//
// Call [Scheduler.Run] instead where no worker is wanted in the process. Start as many
// schedulers as you like: one leads, and the others wait to follow it. [Put], [Delete] and
// [Entries] change and list the entries of an app from any process; schedulers follow.
//
// # Promises
//
//   - A run of an [Entry] is sent by one scheduler, whoever leads and is killed: it
//     is claimed by compare-and-set, has the same ids whoever sends it, and is
//     claimed again by the worker. Sent twice, it runs once, for as long as its
//     record is kept. What was claimed and not sent, the next leader sends.
//   - A [Scheduler] that stops is followed at once, one that is killed within
//     [workers.Config.Lease]. Entries and their last runs outlast all schedulers.
//   - Intervals, crontabs and what a clock that is put forward or back does to
//     them: see [Every], [Crontab] and [Schedule.In]. Missed runs: see [Missed].
//   - Time is told by the broker's clock. That of the scheduler does not count.
//
// A task learns from [workers.RequestOf] when its run was due.
//
// # How it is kept
//
// The store "beat" has the entries of all apps of a virtual host, their last runs, and who
// leads.
package beat
