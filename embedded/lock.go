package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// lock keeps a data directory for one server. The operating system forgets it
// with the process, however that ends, so a file left behind locks nobody out.
//
// Who holds it stands in a second file: Windows lets nobody read a locked one.
type lock struct {
	file *flock.Flock
	note string
}

const (
	lockName = "LOCK"
	noteName = "LOCK.json"
)

// holder is what the holder of a lock tells those it keeps out.
type holder struct {
	PID     int       `json:"pid"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"`
	URL     string    `json:"url,omitempty"`
}

func takeLock(dir string) (*lock, error) {
	l := &lock{
		file: flock.New(filepath.Join(dir, lockName)),
		note: filepath.Join(dir, noteName),
	}
	ok, err := l.file.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock data directory %q: %w: make it writable for this user, or choose another", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("open %q: %w by %s", dir, ErrDirLocked, readHolder(l.note))
	}
	if err := l.tell(""); err != nil {
		return nil, fmt.Errorf("lock data directory %q: %w", dir, errors.Join(err, l.file.Unlock()))
	}
	return l, nil
}

// tell writes down who holds the lock, and where it can be reached.
func (l *lock) tell(url string) error {
	note, err := json.Marshal(holder{
		PID:     os.Getpid(),
		Command: filepath.Base(os.Args[0]),
		Since:   time.Now().UTC().Truncate(time.Second),
		URL:     url,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(l.note, append(note, '\n'), 0o600)
}

// release lets the next server in. The lock's file stays: who had it open would
// lock a file that nobody else can see.
func (l *lock) release() error {
	_ = os.Remove(l.note)
	return l.file.Unlock()
}

// readHolder reads the note of a lock somebody else holds. There may be none
// yet, or half of one.
func readHolder(note string) holder {
	var h holder
	text, err := os.ReadFile(note)
	if err != nil || json.Unmarshal(text, &h) != nil {
		return holder{}
	}
	return h
}

// String reads as the end of a sentence and says what to do about the holder.
func (h holder) String() string {
	if h.PID == 0 {
		return "another process: stop it, or choose another directory"
	}
	var b strings.Builder
	if h.PID == os.Getpid() {
		b.WriteString("this process, ")
	}
	fmt.Fprintf(&b, "pid %d (%s, since %s)", h.PID, h.Command, h.Since.Format(time.RFC3339))
	if h.URL != "" {
		fmt.Fprintf(&b, ": connect to it at %s, stop it, or choose another directory", h.URL)
	} else {
		b.WriteString(": stop it, or choose another directory")
	}
	return b.String()
}
