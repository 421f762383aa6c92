package embedded_test

import (
	"log"
	"log/slog"
	"os"

	"warren/embedded"
)

// What the server says goes where the program's own log goes, from whatever
// level on that logger wants; here, if something is wrong.
func ExampleConfig_logger() {
	s, err := embedded.Start(embedded.Config{
		Host: "0.0.0.0",
		Port: embedded.RandomPort,
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
			Level: slog.LevelWarn,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey || a.Key == "url" {
					return slog.Attr{} // differ from run to run
				}
				return a
			},
		})),
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Close(); err != nil {
		log.Fatal(err)
	}
	// Output: level=WARN msg="everybody who reaches this server can use it: set a user or a token"
}
