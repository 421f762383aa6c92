package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// dir is a data directory that is ours: locked, and removed afterwards if it is
// a temporary one.
type dir struct {
	path      string
	temporary bool
	lock      *lock
}

func openDir(path string) (*dir, error) {
	d := &dir{path: path, temporary: path == ""}
	if err := d.make(); err != nil {
		return nil, err
	}
	lock, err := takeLock(d.path)
	if err != nil {
		return nil, errors.Join(err, d.remove())
	}
	d.lock = lock
	return d, nil
}

func (d *dir) make() (err error) {
	if d.temporary {
		d.path, err = os.MkdirTemp("", "embedded-")
		if err != nil {
			return fmt.Errorf("make temporary data directory: %w: set Dir, or TMPDIR to a directory this user may write", err)
		}
		return nil
	}
	// The process may change its working directory while the server runs.
	if d.path, err = filepath.Abs(d.path); err != nil {
		return fmt.Errorf("find data directory: %w", err)
	}
	if st, err := os.Stat(d.path); err == nil && !st.IsDir() {
		return fmt.Errorf("data directory %q is a file: choose a directory, it may be a new one", d.path)
	}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w: choose one this user may write", err)
	}
	return nil
}

// close gives the directory up. The server must have stopped.
func (d *dir) close() error {
	return errors.Join(d.lock.release(), d.remove())
}

func (d *dir) remove() error {
	if !d.temporary {
		return nil
	}
	return os.RemoveAll(d.path)
}
