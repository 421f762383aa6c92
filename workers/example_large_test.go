package workers_test

import (
	"context"
	"fmt"
	"strings"

	"warren/workers"
)

// Arguments and results may be larger than the largest message of the server.
func Example_large() {
	ctx := context.Background()
	app := workers.New("example")
	twice := workers.Func1(app, "twice", func(_ context.Context, text string) (string, error) {
		return strings.Repeat(text, 2), nil
	})
	defer openApp(app)()

	text, err := twice.S(strings.Repeat("x", 2<<20)).Run(ctx)
	check(err)
	fmt.Println(len(text) == 4<<20)
	// Output: true
}
