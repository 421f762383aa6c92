package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/spf13/cobra"
)

// A logFile appends whole lines to the file that a path names. Whoever rotates
// logs may rename or remove that file at any time: each line goes to the file that
// has the name when it is written, and a new one is made if there is none. The path
// may name something else than a file, a pipe or /dev/stdout: then nothing of it is
// on a disk.
type logFile struct {
	path string

	mu     sync.Mutex
	file   *os.File  // nil after an attempt to open it again has failed
	to     io.Writer // the file, or the screen that it is
	onDisk bool
}

// rotationHelp is what a command says of its log.
const rotationHelp = `The file may be rotated at any time: each line goes to the file that has the name
when it is written, and a new one is made if there is none. SIGHUP opens it again
at once. Rename or remove the file, and do not truncate it (logrotate's
copytruncate): what is written between copying and truncating would be lost.`

// withLog opens a log for a command, which opens it again at SIGHUP, and closes it.
func withLog(cmd *cobra.Command, path string, use func(*logFile) error) (err error) {
	log, err := openLog(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close()) }()
	defer reopenAtHangup(cmd, log)()
	return use(log)
}

// openLog opens a log, and makes it if there is none. If its last line was cut
// off, by whatever ended its writer, the next one does not continue it.
func openLog(path string) (*logFile, error) {
	l := &logFile{path: path}
	if err := l.open(); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *logFile) open() error {
	file, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	l.file, l.to, l.onDisk = file, onScreen(file), info.Mode().IsRegular()
	if !l.onDisk {
		return nil
	}
	if cutOff(l.path, info.Size()) {
		err = l.append("\n")
	}
	if err = errors.Join(err, syncName(l.path)); err != nil {
		return errors.Join(err, l.shut())
	}
	return nil
}

// cutOff reports whether a file ends within a line. One that may be written and
// not read is taken for whole.
func cutOff(path string, size int64) bool {
	file, err := os.Open(path)
	if err != nil || size == 0 {
		return false
	}
	defer func() { _ = file.Close() }()
	last := make([]byte, 1)
	n, _ := file.ReadAt(last, size-1)
	return n == 1 && last[0] != '\n'
}

// writeLine appends a line: it is on the disk when this returns, in the file that
// the path names, or in the one that it named until just now.
func (l *logFile) writeLine(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := onOneLine.Replace(fmt.Sprintf(format, args...)) + "\n"
	for {
		if err := l.follow(); err != nil {
			return err
		}
		if err := l.append(text); err != nil {
			return err
		}
		if l.named() || !removed(l.file) {
			return nil
		}
	}
}

// reopen opens the file that the path names now, and lets go of the one before.
func (l *logFile) reopen() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.follow()
}

// follow opens the file that the path names, unless it is open.
func (l *logFile) follow() error {
	if l.named() {
		return nil
	}
	return errors.Join(l.shut(), l.open())
}

// named reports whether the path names the file that is open.
func (l *logFile) named() bool {
	if l.file == nil {
		return false
	}
	open, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(l.path)
	return err == nil && os.SameFile(open, there)
}

// append writes all of a text, or nothing.
func (l *logFile) append(text string) error {
	n, err := io.WriteString(l.to, text)
	if err != nil {
		return errors.Join(err, l.takeBack(n))
	}
	if !l.onDisk {
		return nil
	}
	return l.file.Sync()
}

// takeBack removes what was written last, unless others have written since.
func (l *logFile) takeBack(n int) error {
	if n == 0 || !l.onDisk {
		return nil
	}
	at, err := l.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if info, err := l.file.Stat(); err != nil || info.Size() != at {
		return err
	}
	return l.file.Truncate(at - int64(n))
}

func (l *logFile) shut() error {
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shut()
}
