// Weather tells the weather in a city now and every 20 minutes, or as often as it is told:
// the lecture's exercise 2. One process sends the task when it is due, and runs it. It
// asks wttr.in, or the server at $WEATHER.
//
//	weather Kyiv 1h
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"

	"warren/cmd/exercises/exercise"
	"warren/workers"
)

var (
	app     = workers.New("weather")
	weather = workers.Do1(app, "weather", tell, workers.HardLimit(time.Minute))
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: weather CITY [INTERVAL]")
	}
	every, err := 20*time.Minute, error(nil)
	if len(os.Args) > 2 {
		if every, err = time.ParseDuration(os.Args[2]); err != nil {
			log.Fatal(err)
		}
	}
	exercise.RunApp(app, func(ctx context.Context) error {
		if _, err := weather.Delay(ctx, os.Args[1]); err != nil { // now
			return err
		}
		entry := workers.Entry{Name: "weather", Schedule: workers.Every(every), Call: weather.S(os.Args[1])}
		ended := make(chan error, 1)
		go func() { ended <- app.Scheduler(workers.SchedulerConfig{Entries: []workers.Entry{entry}}).Run(ctx) }()
		if err := app.Worker(workers.WorkerConfig{}).Run(ctx); err != nil {
			return err
		}
		return <-ended
	})
}

// tell asks for the weather in a city, in one line, and prints it.
func tell(ctx context.Context, city string) error {
	address := cmp.Or(os.Getenv("WEATHER"), "https://wttr.in") + "/" + url.PathEscape(city) + "?format=3"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	line, err := io.ReadAll(io.LimitReader(response.Body, 1000))
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", address, response.Status)
	}
	if err == nil {
		fmt.Printf("%s %s\n", time.Now().Format(time.TimeOnly), line)
	}
	return err
}
