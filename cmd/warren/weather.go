package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"

	"warren/cmd/internal/weather"
)

type weatherOptions struct {
	question
	path string
	once bool
}

func newWeather(b *broker) *cobra.Command {
	var o weatherOptions
	cmd := &cobra.Command{
		Use:   "weather CITY",
		Short: "Tell the weather every 20 minutes",
		Long: `Weather is the lecture's periodic task: it prints the current weather in a
city, or appends it to a file, now and every 20 minutes. One process does all of
Celery's work: a scheduler sends the task 'weather' when it is due, and a worker
asks the source. A source that is away is asked again; meanwhile the last known
reading is told, with its age. A value that the source does not have, or that cannot
be true, is unknown, and the rest of the reading is told.

Start it several times with the same flags, and they share the schedule and the
work: the source is asked once for all of them, and each tells every reading.
The schedule is kept at the broker: it goes on where it was when one of them is
started again. With --embedded no broker is needed.

` + rotationHelp,
		Example: `  warren weather Kyiv --embedded
  warren weather Kyiv --once
  warren weather "Kyiv, Ukraine" --every 1h --out weather.log`,
		Args: someCity,
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.Every, "every", 20*time.Minute, "how often to ask the source")
	flags.StringVar(&o.path, "out", "", "`FILE` to append readings to, instead of printing\nthem")
	flags.StringVar(&o.Source, "source", "open-meteo", "`WHOM` to ask: open-meteo, wttr, or the address of\na server that speaks as Open-Meteo does\n(default: open-meteo)")
	sayDefault(flags, "source")
	flags.StringVar((*string)(&o.Units), "units", string(weather.Metric), "`UNITS`: metric or imperial")
	flags.BoolVar(&o.once, "once", false, "tell one reading, and end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.City = strings.Join(args, " ")
		if o.once && cmd.Flags().Changed("every") {
			return usageError{errors.New("--once tells one reading: leave out --every")}
		}
		if err := o.check(); err != nil {
			return usageError{err}
		}
		if o.once {
			o.Every = 0
		}
		return o.open(cmd, b)
	}
	return cmd
}

func someCity(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("the city is missing")
	}
	return nil
}

// open opens what is written to, and connects.
func (o weatherOptions) open(cmd *cobra.Command, b *broker) error {
	if o.path == "" {
		return o.tell(cmd, b, func(line string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		})
	}
	return withLog(cmd, o.path, func(log *logFile) error {
		return o.tell(cmd, b, func(line string) error {
			return log.writeLine("%s %s", time.Now().UTC().Format(time.RFC3339), line)
		})
	})
}

func (o weatherOptions) tell(cmd *cobra.Command, b *broker, tell func(line string) error) error {
	return b.attach(cmd, leaveIfAway, func(ctx context.Context, nc *nats.Conn) (err error) {
		s := newStation(o.question)
		if err := s.open(ctx, nc, b, cmd.ErrOrStderr()); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close(nc)) }()
		if o.once {
			return s.tellOnce(ctx, tell)
		}
		return s.run(ctx, tell, func() { o.begin(cmd.OutOrStdout()) })
	})
}

// begin says what will come.
func (o weatherOptions) begin(out io.Writer) {
	where := ""
	if o.path != "" {
		where = ", written to " + o.path
	}
	fmt.Fprintf(out, "The weather in %s every %s%s. To exit press CTRL+C\n", o.City, plainly(o.Every), where)
}

// plainly writes a duration without the zeros at its end.
func plainly(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
