package embedded

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

// checkRecovery refuses to run without a stream that is on disk. The server
// only logs that it skipped one, and whoever declares it next gets an empty one.
//
// In a cluster the others have the messages too, and loading goes on in the
// background: that is [Server.Health]'s to tell.
func (s *Server) checkRecovery() error {
	if s.cfg.Cluster.enabled() {
		return nil
	}
	streams := filepath.Join(s.dir.path, server.JetStreamStoreDir, server.DEFAULT_GLOBAL_ACCOUNT, "streams")
	found, err := wholeStreams(streams)
	if err != nil || len(found) == 0 {
		return err
	}
	account, err := s.server().JszAccount(&server.JSzOptions{Account: server.DEFAULT_GLOBAL_ACCOUNT, Streams: true})
	if err != nil {
		return fmt.Errorf("list loaded streams: %w", err)
	}
	loaded := make(map[string]bool)
	for _, stream := range account.Streams {
		loaded[stream.Name] = true
	}
	for _, name := range found {
		if !loaded[name] {
			return fmt.Errorf("load stream %q: the server passed over its files in %q, and tells a Logger why: put a backup in their place, or move them away to start without it",
				name, filepath.Join(streams, name))
		}
	}
	return nil
}

// wholeStreams names the streams in a directory, but not the remains of one
// whose creation or deletion was cut off: the two files that describe a stream
// are written before its creation is acknowledged, and the first is the first
// thing a deletion removes.
func wholeStreams(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	var names []string
	for _, e := range entries {
		// A deletion in progress starts with a dot.
		if e.Name()[0] != '.' &&
			exists(filepath.Join(dir, e.Name(), server.JetStreamMetaFile)) &&
			exists(filepath.Join(dir, e.Name(), server.JetStreamMetaFileSum)) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
