package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
)

// SyncSubject is where a server with [Config.SyncAlways] answers [SyncsAlways] to an
// empty request: it is better to send such a server many messages in one batch, which it
// syncs once. A server of a cluster does not answer, as other servers store the messages,
// too.
const (
	SyncSubject = "_EMBEDDED.sync"
	SyncsAlways = "always"
)

func (c Config) tellsSync() bool { return c.SyncAlways && !c.Cluster.enabled() }

func tellSync(msg *nats.Msg) {
	if msg.Reply != "" {
		_ = msg.Respond([]byte(SyncsAlways)) // who has no answer measures
	}
}

// syncLast forces to disk what was written since the server last did so. It does
// not when it stops: what it had acknowledged would be at the mercy of the
// operating system's own pace.
func (s *Server) syncLast() error {
	if s.dir.temporary || s.cfg.SyncAlways {
		return nil
	}
	// The last round may itself have taken a while.
	since := time.Now().Add(-2*s.cfg.SyncInterval - time.Second)
	blocks, err := blocksWritten(s.dir.path, since)
	for _, b := range blocks {
		err = errors.Join(err, syncFile(b))
	}
	if err != nil {
		return fmt.Errorf("sync %q: %w", s.dir.path, err)
	}
	return nil
}

// blocksWritten finds the files of messages that were written since then. They
// hold the deletions too; everything else can be made from them.
func blocksWritten(dir string, since time.Time) ([]string, error) {
	var blocks []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".blk" {
			var info fs.FileInfo
			if info, err = e.Info(); err == nil && !info.ModTime().Before(since) {
				blocks = append(blocks, path)
			}
		}
		// A deleted stream's files may be going in the background.
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return blocks, err
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
