package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
)

// levelTrace is for protocol traces: below debug, as far as debug is below info.
const levelTrace = slog.LevelDebug - 4

// deliberate are warnings about what this package does on purpose: credentials
// are kept in plain text because Connect has to use them, and the default for
// payloads is above what the server is easy about.
var deliberate = []string{
	"Plaintext passwords detected",
	"Maximum payloads over",
}

// afterCrash are the ends of warnings that every start after a crash brings: an index
// was not written at the end, and is made anew from the messages. Nothing is lost by
// that, and nobody has to do anything. What is lost, this package finds itself.
var afterCrash = []string{
	"Stream state outdated, last block has additional entries, will rebuild",
	"Recovering stream state from index errored: prior state file",
}

func expectedAfterCrash(text string) bool {
	return strings.HasPrefix(text, "Filestore [") &&
		slices.ContainsFunc(afterCrash, func(end string) bool { return strings.HasSuffix(text, end) })
}

// log hands what the server says to slog. What the server takes to be the end
// of its process is for us the end of the server.
type log struct {
	to     *slog.Logger
	broken chan string // what broke the store, the first of it
	fatal  chan struct{}
	once   sync.Once
	err    error
}

var _ server.Logger = (*log)(nil)

func newLog(to *slog.Logger) *log {
	return &log{to: to, broken: make(chan string, 1), fatal: make(chan struct{})}
}

func (l *log) enabled(level slog.Level) bool {
	return l.to.Enabled(context.Background(), level)
}

func (l *log) write(level slog.Level, format string, v []any) {
	if l.enabled(level) {
		l.to.Log(context.Background(), level, strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

// Noticef is for the course of things.
func (l *log) Noticef(format string, v ...any) { l.write(slog.LevelInfo, format, v) }

// Warnf is for what may need somebody's attention.
func (l *log) Warnf(format string, v ...any) {
	for _, d := range deliberate {
		if strings.HasPrefix(format, d) {
			l.write(slog.LevelDebug, format, v)
			return
		}
	}
	if expectedAfterCrash(fmt.Sprintf(format, v...)) {
		l.write(slog.LevelInfo, format, v)
		return
	}
	l.write(slog.LevelWarn, format, v)
}

// Errorf is for what went wrong and was survived, or is survived by another
// server. This one may hold locks, so it only leaves word.
func (l *log) Errorf(format string, v ...any) {
	l.write(slog.LevelError, format, v)
	if breaksStore(format) {
		select {
		case l.broken <- strings.TrimSpace(fmt.Sprintf(format, v...)):
		default:
		}
	}
}

// forgetBroken is for the next server, which has not failed yet.
func (l *log) forgetBroken() {
	select {
	case <-l.broken:
	default:
	}
}

// Debugf is for whoever looks for a fault.
func (l *log) Debugf(format string, v ...any) { l.write(slog.LevelDebug, format, v) }

// Tracef is for the protocol, line by line.
func (l *log) Tracef(format string, v ...any) { l.write(levelTrace, format, v) }

// Fatalf is for what the server cannot go on after. It may hold locks, so this
// only leaves word.
func (l *log) Fatalf(format string, v ...any) {
	l.once.Do(func() {
		l.err = fatalError(format, v)
		close(l.fatal)
	})
	l.write(slog.LevelError, format, v)
}

// failure is the first fatal error, or nil if there was none.
func (l *log) failure() error {
	select {
	case <-l.fatal:
		return l.err
	default:
		return nil
	}
}

// fatalError keeps the error among a log line's values for errors.Is.
func fatalError(format string, v []any) error {
	text := strings.TrimSpace(fmt.Sprintf(format, v...))
	for _, a := range v {
		if err, ok := a.(error); ok {
			if errors.Is(err, errAddressInUse) {
				return fmt.Errorf("%w: %s", ErrPortInUse, text)
			}
			return &serverError{text, err}
		}
	}
	return errors.New(text)
}

type serverError struct {
	text  string
	cause error
}

func (e *serverError) Error() string { return e.text }
func (e *serverError) Unwrap() error { return e.cause }
