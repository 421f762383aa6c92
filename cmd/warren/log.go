package main

import (
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// newLogger tells the user of what goes on in the background, from a level on.
func newLogger(w io.Writer, from slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: from, ReplaceAttr: withoutTime}))
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// A logLevel is a flag: a level by the name that Celery has for it.
type logLevel struct{ slog.Level }

var logLevels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// String is the name of the level.
func (l *logLevel) String() string {
	if l.Level == slog.LevelWarn {
		return "warning"
	}
	return strings.ToLower(l.Level.String())
}

// Set takes a name, in capitals or not.
func (l *logLevel) Set(name string) error {
	i := slices.IndexFunc(logLevels, func(level slog.Level) bool {
		return strings.EqualFold(name, (&logLevel{level}).String())
	})
	if i < 0 {
		return fmt.Errorf("use debug, info, warning or error")
	}
	l.Level = logLevels[i]
	return nil
}

// Type is what stands for the value in a help.
func (l *logLevel) Type() string { return "LEVEL" }
