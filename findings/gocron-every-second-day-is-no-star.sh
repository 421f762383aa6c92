#!/usr/bin/env bash
# Guess: gocron reads "0 0 */2 * 1" as crontab(5) says: a field that has a "*" in it is not
# restricted, so that only a field without one is alternative to the other. The job runs on
# the Mondays among the days 1, 3, 5, ... of a month.
# Truth: the parser that gocron stands on (robfig/cron) forgets the star of a field that has
# a step above 1. Both fields count as restricted, and the job runs on every Monday and on
# every second day. A step of 1, "*/1", keeps the star, so that a "*/N" that is made from a
# setting changes its meaning between 1 and 2.
# Versions: gocron 2.22.0, robfig/cron 3.0.1, Go 1.26.
# Source: the run below; crontab(5) of Debian, the note on day of month and day of week.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"log"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/jonboulle/clockwork"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	// Sunday, the first of March.
	clock := clockwork.NewFakeClockAt(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	s := must(gocron.NewScheduler(gocron.WithClock(clock), gocron.WithLocation(time.UTC)))
	s.Start()
	for _, spec := range []string{"0 0 */2 * 1", "0 0 */1 * 1"} {
		job := must(s.NewJob(gocron.CronJob(spec, false), gocron.NewTask(func() {})))
		fmt.Print(spec, ":")
		for _, at := range must(job.NextRuns(6)) {
			fmt.Print(" ", at.Format("Mon 2"))
		}
		fmt.Println()
	}
}
GO
cat >go.mod <<'MOD'
module finding

go 1.26

require (
	github.com/go-co-op/gocron/v2 v2.22.0
	github.com/jonboulle/clockwork v0.5.0
)
MOD
GOFLAGS=-mod=mod go mod tidy >/dev/null 2>&1
go run . >seen.txt
cat >want.txt <<'TXT'
0 0 */2 * 1: Mon 2 Tue 3 Thu 5 Sat 7 Mon 9 Wed 11
0 0 */1 * 1: Mon 2 Mon 9 Mon 16 Mon 23 Mon 30 Mon 6
TXT
cat seen.txt
diff want.txt seen.txt
echo "as it was found"
