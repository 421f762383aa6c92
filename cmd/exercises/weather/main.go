// Weather tells the weather in a city now and every 20 minutes, or as often as it is told,
// as in "weather -every 1h Kyiv": the lecture's exercise 2. It asks Open-Meteo, or the
// server at $WEATHER. One process sends the task when it is due, and runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"warren/cmd/exercises/exercise"
	"warren/cmd/internal/weather"
	"warren/workers"
	"warren/workers/beat"
)

var app = workers.New("weather")

var tell = workers.Do1(app, "tell", func(ctx context.Context, city string) error {
	source, err := weather.New(os.Getenv("WEATHER"))
	if err != nil {
		return err
	}
	reading, err := source.Current(ctx, city, weather.Metric)
	if err == nil {
		fmt.Println(reading)
	}
	return err
}, workers.HardLimit(time.Minute))

func main() {
	every := flag.Duration("every", 20*time.Minute, "how often to tell the weather")
	city := exercise.Args("CITY")[0]
	entry := beat.Entry{Name: "weather", Schedule: beat.Every(*every), Call: tell.S(city), AtStart: true}
	exercise.RunApp(app, func(ctx context.Context) error {
		return app.Run(ctx, workers.WorkerConfig{}, beat.New(app, beat.Config{Entries: []beat.Entry{entry}}))
	})
}
