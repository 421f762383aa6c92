package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A stage is where a step is played: a virtual host of its own, the programs
// that run there, and whether all went as it should. After the first trouble
// nothing more happens on it, so that steps need not look for it.
type stage struct {
	*demo
	ctx      context.Context
	vhost    string
	programs []*program
	trouble  error
	differs  bool
}

func newStage(ctx context.Context, d *demo, vhost string) *stage {
	return &stage{demo: d, ctx: ctx, vhost: vhost}
}

// lease is short, so that nobody waits long for what a killed receiver held.
const lease = "1s"

// options are the arguments that lead a command to this stage.
func (st *stage) options(args []string) []string {
	return append(args[:len(args):len(args)], "--server", st.url, "--vhost", st.vhost, "--lease", lease)
}

// line is the command line of which these are the arguments.
func (st *stage) line(args []string) string { return st.called + " " + typed(args) }

// start starts a command in this process.
func (st *stage) start(label, remark string, args ...string) *program {
	st.tell.command(st.line(args), remark)
	p := newInside(st.ctx, st.called, label, st.options(args))
	st.programs = append(st.programs, p)
	return p
}

// receiver starts a command and waits until it waits for messages.
func (st *stage) receiver(label, remark string, args ...string) *program {
	p := st.start(label, remark, args...)
	st.await(p, waiting, 1)
	return p
}

// victim is a receiver in a process of its own, so that it can be killed.
func (st *stage) victim(label, remark string, args ...string) *program {
	st.tell.command(st.line(args), remark)
	p := st.child(label, st.options(args))
	st.await(p, waiting, 1)
	return p
}

func (st *stage) child(label string, args []string) *program {
	p, err := newChild(st.ctx, label, args)
	if err != nil {
		st.fail(err)
		return &program{done: closedChannel(), stop: func() {}}
	}
	st.programs = append(st.programs, p)
	return p
}

func closedChannel() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// run runs a command to its end, which must be a good one.
func (st *stage) run(args ...string) *program {
	p := st.attempt(args...)
	if p.code != exitOK && st.trouble == nil {
		st.blame(p, fmt.Errorf("'%s' ended with %d", st.line(args), p.code))
	}
	return p
}

// attempt runs a command to its end, whichever it is.
func (st *stage) attempt(args ...string) *program {
	p := st.start(args[0], "", args...)
	<-p.done
	return p
}

const waiting = "Waiting for messages"

// await waits until a program has printed so many lines with a prefix.
func (st *stage) await(p *program, prefix string, count int) {
	for st.trouble == nil {
		list, more := p.lines.with(prefix)
		if len(list) >= count {
			return
		}
		select {
		case <-more:
		case <-p.done:
			if list, _ := p.lines.with(prefix); len(list) < count {
				st.blame(p, fmt.Errorf("%s ended with %d of %d lines like %q", p.label, len(list), count, prefix))
			}
			return
		case <-st.ctx.Done():
			st.blame(p, fmt.Errorf("%s printed %d of %d lines like %q", p.label, len(list), count, prefix))
		}
	}
}

// awaitAll waits until several programs together have printed so many lines
// with a prefix.
func (st *stage) awaitAll(prefix string, count int, programs ...*program) {
	st.until(fmt.Sprintf("%d lines like %q", count, prefix), func() bool {
		total := 0
		for _, p := range programs {
			list, _ := p.lines.with(prefix)
			total += len(list)
		}
		return total >= count
	})
}

// until waits for what cannot be waited for otherwise.
func (st *stage) until(what string, holds func() bool) {
	for st.trouble == nil && !holds() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-st.ctx.Done():
			st.fail(fmt.Errorf("waited in vain for %s", what))
		}
	}
}

// show prints what a program printed, and not that it waits.
func (st *stage) show(p *program) {
	list, _ := p.lines.with("")
	for _, line := range list {
		if line != "" && !strings.HasPrefix(line, waiting) {
			st.tell.output(p.label, line)
		}
	}
}

// check compares what came of a step with what should have.
func (st *stage) check(claim string, got, want any) {
	if st.trouble != nil {
		return
	}
	if ok := reflect.DeepEqual(got, want); !ok {
		st.differs = true
		st.tell.checked(false, "%s: got %v, want %v", claim, got, want)
		return
	}
	st.tell.checked(true, "%s", claim)
}

// fail ends the step: without what went wrong there is nothing to compare.
func (st *stage) fail(err error) {
	if st.trouble != nil {
		return
	}
	st.trouble = err
	if !st.interrupted() {
		st.tell.checked(false, "%v", err)
	}
}

// blame ends the step because of a program, and shows what that said.
func (st *stage) blame(p *program, err error) {
	st.fail(err)
	if !st.interrupted() {
		st.show(p)
	}
}

// interrupted reports whether Ctrl-C was pressed, which is no difference.
func (st *stage) interrupted() bool { return errors.Is(st.ctx.Err(), context.Canceled) }

func (st *stage) agrees() bool { return st.trouble == nil && !st.differs }

// clear ends everything that still runs, brokers last.
func (st *stage) clear() {
	for _, p := range slices.Backward(st.programs) {
		p.end()
	}
}

// queueRow is a queue as 'warren list queues --json' tells of it.
type queueRow struct {
	Name     string `json:"name"`
	Ready    int    `json:"messages_ready"`
	Messages int    `json:"messages"`
}

// queues asks what queues there are, without telling of it.
func (st *stage) queues() map[string]queueRow {
	p := newInside(st.ctx, st.called, "list", st.options([]string{"list", "queues", "--json"}))
	<-p.done
	text, _ := p.lines.with("")
	var rows []queueRow
	if err := json.Unmarshal([]byte(strings.Join(text, "\n")), &rows); err != nil {
		st.fail(fmt.Errorf("list queues: %w", err))
	}
	byName := make(map[string]queueRow, len(rows))
	for _, row := range rows {
		byName[row.Name] = row
	}
	return byName
}
