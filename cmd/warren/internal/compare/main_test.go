package compare

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"warren/embedded/embeddedtest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == HoldCommand {
		if err := Hold(context.Background(), os.Stdin, os.Stdout, userAndPassword); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := embeddedtest.Run(m)
	if built.dir != "" {
		if err := os.RemoveAll(built.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	os.Exit(code)
}

// built is the program, once a test needed it.
var built struct {
	once sync.Once
	dir  string
	err  error
}

// program builds warren, to be run in a process of its own.
func program(t *testing.T) Program {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "warren-"); built.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", built.dir, "warren/cmd/warren").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return Program{Path: filepath.Join(built.dir, "warren")}
}
