package workers_test

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
)

// compiler checks programs against this package as it was built.
type compiler struct{ exports map[string]string }

func newCompiler(t *testing.T) *compiler {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", "warren/workers").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	c := &compiler{exports: make(map[string]string)}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		c.exports[path] = file
	}
	return c
}

func (c *compiler) open(path string) (io.ReadCloser, error) { return os.Open(c.exports[path]) }

// wired compiles the lecture's tasks, with an expression of them.
func (c *compiler) wired(expression string) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "wired.go", fmt.Sprintf(lecture, expression), 0)
	if err != nil {
		return err
	}
	var errs []error
	cfg := types.Config{
		Importer: importer.ForCompiler(fset, "gc", c.open),
		Error:    func(err error) { errs = append(errs, err) },
	}
	_, _ = cfg.Check("wired", fset, []*ast.File{file}, nil)
	return errors.Join(errs...)
}

const lecture = `package wired

import (
	"context"

	"warren/workers"
)

type pair struct { X, Y int }

var (
	app   = workers.New("lecture")
	add   = workers.Func2(app, "add", func(context.Context, int, int) (int, error) { return 0, nil })
	mul   = workers.Func2(app, "mul", func(context.Context, int, int) (int, error) { return 0, nil })
	xsum  = workers.Func1(app, "xsum", func(context.Context, []int) (int, error) { return 0, nil })
	print = workers.Func1(app, "print_task", func(context.Context, string) (workers.None, error) { return workers.None{}, nil })
	fail  = workers.Func2(app, "on_task_error", func(context.Context, workers.Failure, string) (workers.None, error) { return workers.None{}, nil })
	plus  = workers.Task(app, "plus", func(context.Context, pair) (int, error) { return 0, nil })

	_ = %s
)
`

func TestWrongWiringDoesNotCompile(t *testing.T) {
	t.Parallel()
	c := newCompiler(t)
	for _, right := range []string{
		`workers.Chain2(add.S(4, 4), mul.P(8))`,
		`workers.Chord(workers.Group(add.S(1, 1)), xsum.P())`,
		`add.S(1, 1).Link(mul.P(2)).LinkError(fail.P("add"))`,
		`print.S("x").LinkErrorID(print.P())`,
		`workers.Chain2(add.S(4, 4), workers.Into(plus, pair{Y: 8}, func(p *pair) *int { return &p.X }))`,
		`workers.Chain2(add.S(4, 4), workers.Skip[int](print.S("x")))`,
		`workers.Chain2(workers.As[int](app.Signature("far.add", 1, 1)), mul.P(8))`,
		`workers.Chain2(add.S(1, 1), workers.Takes[int, string](app.Signature("far.show")))`,
	} {
		if err := c.wired(right); err != nil {
			t.Errorf("%s does not compile: %v", right, err)
		}
	}
	for wrong, why := range map[string]string{
		`workers.Chain2(add.S(4, 4), print.P())`:               "Step[string,",
		`workers.Chord(workers.Group(add.S(1, 1)), print.P())`: "Step[string,",
		`add.S(1, 1).Link(print.P())`:                          "Accepts[int]",
		`add.S(1, 1).LinkError(mul.P(2))`:                      "Accepts[",
		`add.S(1, 1).LinkErrorID(mul.P(2))`:                    "Accepts[string]",
		`add.S("1", 1)`:                                        `cannot use "1"`,
		`add.P()`:                                              "not enough arguments",
		`workers.Group(add.S(1, 1), print.S("x"))`:             "does not match",
		`workers.Chain2(mul.P(8), add.S(4, 4))`:                "does not match",
		`workers.Chain2(print.S("x"), workers.Into(plus, pair{}, func(p *pair) *int { return &p.X }))`: "Step[int,",
		`workers.Into(plus, pair{}, func(p *pair) *string { return &p.X })`:                            "cannot use &p.X",
		`workers.Starmap(xsum, nil)`: "does not match",
	} {
		err := c.wired(wrong)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: got %v, want an error with %q", wrong, err, why)
		}
	}
}
