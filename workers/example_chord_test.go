package workers_test

import (
	"context"
	"errors"
	"fmt"

	"warren/workers"
)

// A chord gives the results of a group to one task. When a member fails, that
// task does not run, and the error says which members failed.
func ExampleChord() {
	ctx := context.Background()
	app := workers.New("example")
	add := workers.Func2(app, "add", add)
	xsum := workers.Func1(app, "xsum", xsum)
	broken := workers.Func0(app, "broken", func(context.Context) (int, error) {
		return 0, errors.New("failed")
	})
	defer openApp(app)()

	sum, err := workers.Chord(workers.Group(add.S(1, 1), add.S(2, 2)), xsum.P()).Run(ctx)
	check(err)
	fmt.Println(sum)

	_, err = workers.Chord(workers.Group(add.S(1, 1), broken.S()), xsum.P()).Run(ctx)
	var chord *workers.ChordError
	if errors.As(err, &chord) {
		for _, cause := range chord.Causes {
			fmt.Println(cause.Task, "did not work:", cause.Message)
		}
	}
	// Output:
	// 6
	// broken did not work: failed
}
