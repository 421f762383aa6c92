package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// brokenStore are the errors after which the server answers nobody who writes to a
// stream, or to any, until it is started again, although it runs on.
var brokenStore = []string{"critical write error", "will be DISABLED", "disabling JetStream"}

func breaksStore(format string) bool {
	for _, text := range brokenStore {
		if strings.Contains(strings.ToLower(format), strings.ToLower(text)) {
			return true
		}
	}
	return false
}

// broke notes that the store has failed, and has publishers refused until it is
// mended: otherwise they would wait for an answer that does not come.
func (g *guard) broke(why string) {
	if g.failed.IsZero() {
		g.failed = time.Now()
	}
	g.refuse(fmt.Sprintf("the store has failed (%s); free some of the disk of %s, the broker then goes on by itself", why, g.s.dir.path))
}

// mend starts the server again after its store has failed, as soon as the
// directory can be written. The guard ends with the server.
func (g *guard) mend() bool {
	if g.failed.IsZero() || !g.s.writable() || !g.s.mayRestart() {
		return false
	}
	g.s.cfg.Logger.Warn("the store can be written again: the server restarts")
	g.s.restart.Store(true)
	go g.nats.Shutdown()
	return true
}

// probeSize is what must fit on the disk before the server is started again: it
// writes some of its files anew then.
const probeSize = 1 << 20

// writable reports whether the data directory takes a file.
func (s *Server) writable() bool {
	path := filepath.Join(s.dir.path, "probe")
	err := errors.Join(writeSynced(path, make([]byte, probeSize)), os.Remove(path))
	return err == nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// The pauses between restarts double while a store fails again and again.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
	quiet      = time.Minute
)

// mayRestart reports whether the last restart is long enough ago.
func (s *Server) mayRestart() bool {
	since := time.Since(s.restarted)
	if since > quiet {
		s.pause = firstPause
	}
	if since < s.pause {
		return false
	}
	s.pause = min(2*s.pause, lastPause)
	s.restarted = time.Now()
	return true
}

// again starts the server anew if it stopped to be mended. What cannot be started
// is tried again until the server is closed.
func (s *Server) again() bool {
	if !s.restart.Swap(false) {
		return false
	}
	for {
		err := s.startAgain()
		if err == nil {
			return true
		}
		if errors.Is(err, errStopped) || s.log.failure() != nil {
			return false
		}
		s.cfg.Logger.Error("the server cannot be restarted, and tries again", "error", err)
		select {
		case <-s.closing:
			return false
		case <-time.After(time.Second):
		}
	}
}

// startAgain excludes Close, which stops what is running.
func (s *Server) startAgain() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.closing:
		return errStopped
	default:
	}
	s.log.forgetBroken()
	if err := s.start(); err != nil {
		return err
	}
	s.guard = newGuard(s)
	return nil
}
