package streams_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"warren/embedded/embeddedtest"
	"warren/streams"
)

// program is one that uses this package, with a statement in it.
const program = `package program

import (
	"context"

	"warren/streams"
)

func do(ctx context.Context, s *streams.Session, d *streams.Delivery) {
	%s
}
`

// compiler checks a statement against this package as it was built.
func compiler(t *testing.T) func(statement string) error {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "warren/streams").Output()
	must(t, err)
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		exports[path] = file
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	return func(statement string) error {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "program.go", fmt.Sprintf(program, statement), 0)
		if err != nil {
			return err
		}
		var errs []error
		cfg := types.Config{Importer: importer.ForCompiler(fset, "gc", open), Error: func(err error) { errs = append(errs, err) }}
		_, _ = cfg.Check("program", fset, []*ast.File{file}, nil)
		return errors.Join(errs...)
	}
}

// TestFlags_OfAnotherVerbDoNotCompile: an ack that asks for a requeue would lose
// the message.
func TestFlags_OfAnotherVerbDoNotCompile(t *testing.T) {
	t.Parallel()
	compile := compiler(t)
	for _, right := range []string{
		`d.Ack(streams.Multiple)`,
		`d.Nack(streams.Requeue, streams.Multiple)`,
		`d.Reject(streams.Requeue)`,
		`s.Get(ctx, "q", streams.AutoAck)`,
		`s.DeleteQueue(ctx, "q", streams.IfUnused, streams.IfEmpty)`,
		`s.DeleteExchange(ctx, "x", streams.IfUnused)`,
	} {
		if err := compile(right); err != nil {
			t.Errorf("%s does not compile: %v", right, err)
		}
	}
	for _, wrong := range []string{
		`d.Ack(streams.Requeue)`,
		`d.Reject(streams.Multiple)`,
		`d.Ack(streams.AutoAck)`,
		`d.Nack(streams.AutoAck)`,
		`d.Nack(1)`,
		`s.DeleteExchange(ctx, "x", streams.IfEmpty)`,
		`s.DeleteQueue(ctx, "q", streams.Multiple)`,
		`s.Get(ctx, "q", streams.Multiple)`,
	} {
		if err := compile(wrong); err == nil {
			t.Errorf("%s compiles", wrong)
		}
	}
}

// TestFlags_AreAllRead: whichever of them says something.
func TestFlags_AreAllRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 4)
	if _, ok, err := r.Get(r.ctx, q, 0, streams.AutoAck); err != nil || !ok {
		t.Fatalf("get: %t, %v", ok, err)
	}
	r.wantCounts(q, 3, 0, 0)
	must(t, r.get(q).Ack(0, streams.Multiple))
	must(t, r.get(q).Nack(streams.AckFlag(0), streams.RejectFlag(0), streams.Requeue))
	r.wantCounts(q, 2, 0, 0)
	_, err := r.DeleteQueue(r.ctx, q, streams.UnusedFlag(0), streams.IfEmpty)
	wantError(t, "delete a queue that is not empty", err, streams.ErrPreconditionFailed)
	err = r.Publish(r.ctx, "", "missing", streams.Message{}, 0, streams.Mandatory)
	wantError(t, "publish", err, streams.ErrNoRoute)
}

// TestFlags_UnknownOnesAreRefused: and the message is still held.
func TestFlags_UnknownOnesAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	r.number(q, 1)
	d := r.get(q)
	for what, do := range map[string]func() error{
		"ack":             func() error { return d.Ack(2) },
		"nack multiple":   func() error { return d.Nack(streams.AckFlag(2)) },
		"nack":            func() error { return d.Nack(streams.RejectFlag(2)) },
		"reject":          func() error { return d.Reject(2) },
		"get":             func() error { _, _, err := r.Get(r.ctx, q, 2); return err },
		"publish":         func() error { return r.Publish(r.ctx, "", q, streams.Message{}, 4) },
		"publish all":     func() error { return r.PublishAll(r.ctx, "", q, make([]streams.Message, 1), 4) },
		"delete empty":    func() error { _, err := r.DeleteQueue(r.ctx, q, streams.EmptyFlag(2)); return err },
		"delete unused":   func() error { _, err := r.DeleteQueue(r.ctx, q, streams.UnusedFlag(2)); return err },
		"delete exchange": func() error { return r.DeleteExchange(r.ctx, "x", 2) },
	} {
		wantError(t, what, do(), streams.ErrPreconditionFailed)
	}
	r.wantCounts(q, 0, 1, 0)
}

func TestWindow_NegativeIsRefused(t *testing.T) {
	t.Parallel()
	if w, err := streams.NewWindow(-5); !errors.Is(err, streams.ErrPreconditionFailed) || w != nil {
		t.Errorf("a window of -5: got %v, %v, want 406", w, err)
	}
	w := window(t, 2)
	wantError(t, "set to -1", w.Set(-1), streams.ErrPreconditionFailed)
	if got := w.Limit(); got != 2 {
		t.Errorf("the limit after a refused one: got %d, want 2", got)
	}
	must(t, w.Set(0))
	if got := w.Limit(); got != 0 {
		t.Errorf("the limit: got %d, want none", got)
	}
}

// TestConsume_ContradictionsAreRefused: none of them is left out of account.
func TestConsume_ContradictionsAreRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, embeddedtest.Connect(t), streams.Config{})
	q := r.queue(streams.Queue{Name: "q"})
	push := func(*streams.Delivery) {}
	for what, o := range map[string]streams.ConsumeOptions{
		"a negative prefetch":       {Prefetch: -1},
		"a negative concurrency":    {Concurrency: -1},
		"push and concurrency":      {Push: push, Concurrency: 2},
		"a turn that nobody shares": {Turn: streams.Turn{Rank: 1}},
		"a negative weight":         {Window: window(t, 1), Turn: streams.Turn{Weight: -1}},
	} {
		_, err := r.Consume(r.ctx, q, o)
		wantError(t, what, err, streams.ErrPreconditionFailed)
	}
	r.wantCounts(q, 0, 0, 0)
}
