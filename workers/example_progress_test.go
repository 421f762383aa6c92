package workers_test

import (
	"context"
	"fmt"

	"warren/workers"
)

// A task tells how far it is, and whoever has its handle asks.
func ExampleProgress() {
	ctx := context.Background()
	app := workers.New("example")
	told, goOn := make(chan bool), make(chan bool)
	copying := workers.Func1(app, "copy", func(ctx context.Context, files int) (int, error) {
		err := workers.Progress(ctx, map[string]int{"done": 1, "of": files})
		told <- true
		<-goOn
		return files, err
	})
	defer openApp(app)()

	result, err := copying.Delay(ctx, 3)
	check(err)
	<-told
	progress, err := result.Progress(ctx)
	check(err)
	fmt.Println(string(progress))
	close(goOn)
	_, err = result.Get(ctx)
	check(err)
	// Output: {"done":1,"of":3}
}
