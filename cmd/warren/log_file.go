package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// A logFile is a file that whole lines are appended to. It may be something else
// than a file, a pipe or /dev/stdout: then nothing of it is on a disk.
type logFile struct {
	file   *os.File
	onDisk bool
}

// openLog opens a log, and makes it if there is none. If its last line was cut
// off, by whatever ended its writer, the next one does not continue it.
func openLog(path string) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &logFile{file: file, onDisk: info.Mode().IsRegular()}
	if l.onDisk && cutOff(path, info.Size()) {
		if err := l.write("\n"); err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
	return l, nil
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

// writeLine appends a line: it is on the disk when this returns.
func (l *logFile) writeLine(format string, args ...any) error {
	return l.write(onOneLine.Replace(fmt.Sprintf(format, args...)) + "\n")
}

// write writes all of a text, or nothing.
func (l *logFile) write(text string) error {
	n, err := l.file.WriteString(text)
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

func (l *logFile) close() error { return l.file.Close() }
