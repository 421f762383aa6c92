package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// An inventory is what streams in files hold at a moment, to be compared with what
// they hold when they are loaded again: the server takes damaged files for what is
// left in them, and says little or nothing of the rest.
type inventory struct {
	// Clean says that nothing has changed since, up to the server's stop. If it was
	// killed, only a lower bound is known of each sequence.
	Clean   bool            `json:"clean"`
	At      time.Time       `json:"at"`
	Streams []streamContent `json:"streams"`

	received int64 // from clients until then
}

type streamContent struct {
	Name      string   `json:"name"`
	Messages  uint64   `json:"messages"`
	First     uint64   `json:"first"`
	Last      uint64   `json:"last"`
	Consumers []string `json:"consumers,omitempty"`
	// Shrinks says that messages may go while the server is stopped, or as it
	// starts: because of their age, or with a consumer in memory.
	Shrinks bool `json:"shrinks,omitempty"`
	// Blocks are the sizes of the files with its messages, once the server has stopped.
	// The server may not see that one is shorter until somebody reads there.
	Blocks map[string]int64 `json:"blocks,omitempty"`

	damaged []string // those that are shorter now, or gone
}

const inventoryFile = "inventory.json"

func (s *Server) inventoryPath() string { return filepath.Join(s.dir.path, inventoryFile) }

// look takes the inventory.
func (s *Server) look() (*inventory, error) {
	account, err := s.server().JszAccount(&server.JSzOptions{
		Account: server.DEFAULT_GLOBAL_ACCOUNT, Streams: true, Consumer: true, Config: true,
	})
	if err != nil {
		return nil, fmt.Errorf("list streams: %w", err)
	}
	v := &inventory{At: time.Now().UTC(), received: s.received()}
	for i := range account.Streams {
		if account.Streams[i].Config.Storage == server.FileStorage {
			v.Streams = append(v.Streams, contentOf(&account.Streams[i]))
		}
	}
	return v, nil
}

func (s *Server) received() int64 {
	vars, err := s.server().Varz(nil)
	if err != nil {
		return -1
	}
	return vars.InMsgs
}

func contentOf(d *server.StreamDetail) streamContent {
	c := streamContent{
		Name: d.Name, Messages: d.State.Msgs, First: d.State.FirstSeq, Last: d.State.LastSeq,
		Shrinks: d.Config.MaxAge > 0 || d.Config.AllowMsgTTL || d.Config.AllowMsgSchedules || d.Config.Mirror != nil || len(d.Config.Sources) > 0,
	}
	for _, consumer := range d.Consumer {
		if consumer.Config.Durable == "" || consumer.Config.MemoryStorage {
			c.Shrinks = c.Shrinks || d.Config.Retention == server.InterestPolicy
			continue
		}
		c.Consumers = append(c.Consumers, consumer.Name)
	}
	slices.Sort(c.Consumers)
	return c
}

// lookAtRest takes the inventory once two looks are the same: acknowledgements that
// were sent are dealt with then. Nil says that they are not, or that there is nothing
// to compare it with.
func (s *Server) lookAtRest() *inventory {
	if !s.keepsInventory() || !s.server().JetStreamEnabled() {
		return nil
	}
	const looks, moment = 5, 10 * time.Millisecond
	var last *inventory
	for range looks {
		now, err := s.look()
		if err != nil {
			return nil
		}
		if last != nil && slices.EqualFunc(last.Streams, now.Streams, streamContent.equal) {
			return now
		}
		last = now
		time.Sleep(moment)
	}
	return nil
}

func (c streamContent) equal(d streamContent) bool {
	return c.Name == d.Name && c.Messages == d.Messages && c.First == d.First && c.Last == d.Last && slices.Equal(c.Consumers, d.Consumers)
}

// keepInventory writes what was there when the server was told to stop, now that it
// has, if nobody sent anything in between.
func (s *Server) keepInventory() error {
	v := s.atStop.Load()
	if v == nil || v.received < 0 || v.received != s.received() {
		return nil
	}
	v.Clean = true
	for i := range v.Streams {
		v.Streams[i].Blocks = s.blocks(v.Streams[i].Name)
	}
	return s.writeInventory(v)
}

// blocks are the sizes of the files with the messages of a stream.
func (s *Server) blocks(stream string) map[string]int64 {
	entries, err := os.ReadDir(filepath.Join(s.dir.path, "jetstream", server.DEFAULT_GLOBAL_ACCOUNT, "streams", stream, "msgs"))
	if err != nil {
		return nil
	}
	sizes := make(map[string]int64)
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && filepath.Ext(entry.Name()) == ".blk" {
			sizes[entry.Name()] = info.Size()
		}
	}
	return sizes
}

func (s *Server) writeInventory(v *inventory) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := s.inventoryPath()
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("write the inventory of streams: %w", err)
	}
	return os.Rename(path+".new", path)
}

func (s *Server) readInventory() (*inventory, error) {
	text, err := os.ReadFile(s.inventoryPath())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := new(inventory)
	return v, json.Unmarshal(text, v)
}

// lastInventory reads what was there, and looks at the files before the server does. Nil
// says that nothing is known.
func (s *Server) lastInventory() *inventory {
	if !s.keepsInventory() {
		return nil
	}
	was, err := s.readInventory()
	if err != nil {
		s.cfg.Logger.Warn("the inventory of streams cannot be read: what is missing is not known", "file", s.inventoryPath(), "error", err)
	}
	if err != nil || was == nil || !was.Clean {
		return was
	}
	for i := range was.Streams {
		c := &was.Streams[i]
		now := s.blocks(c.Name)
		for name, size := range c.Blocks {
			if now[name] < size {
				c.damaged = append(c.damaged, name)
			}
		}
		slices.Sort(c.damaged)
	}
	return was
}

func (s *Server) keepsInventory() bool { return !s.dir.temporary && !s.cfg.Cluster.enabled() }

// compareInventory warns of what was there and is not any more, and notes what is. Where
// that cannot be done the server runs all the same.
func (s *Server) compareInventory(was *inventory) {
	if !s.keepsInventory() {
		return
	}
	now, err := s.look()
	if err != nil {
		s.cfg.Logger.Warn("streams cannot be compared with what they held", "error", err)
		return
	}
	if was != nil {
		s.warnOfMissing(was, now)
	}
	if err := s.writeInventory(now); err != nil {
		s.cfg.Logger.Warn("the inventory of streams cannot be kept", "error", err)
	}
}

func (s *Server) warnOfMissing(was, now *inventory) {
	there := make(map[string]*streamContent)
	for i := range now.Streams {
		there[now.Streams[i].Name] = &now.Streams[i]
	}
	for i := range was.Streams {
		before := &was.Streams[i]
		after := there[before.Name]
		switch {
		case after == nil && was.Clean:
			s.cfg.Logger.Warn("a stream is missing that was there when the server stopped", "stream", before.Name, "messages", before.Messages)
		case after != nil:
			s.warnOfMessages(was, before, after)
		}
	}
}

// warnOfMessages compares one stream. Its last sequence never goes back.
func (s *Server) warnOfMessages(was *inventory, before, after *streamContent) {
	fewer := was.Clean && !before.Shrinks && after.Messages < before.Messages
	if after.Last < before.Last || fewer || len(before.damaged) > 0 {
		s.cfg.Logger.Warn("messages are missing: files of the stream are damaged",
			"stream", before.Name, "since", was.At, "had", before.Messages, "has", after.Messages,
			"had_sequences", fmt.Sprint(before.First, "-", before.Last), "has_sequences", fmt.Sprint(after.First, "-", after.Last), "damaged_files", before.damaged)
	}
	if !was.Clean {
		return // they may have been deleted
	}
	for _, name := range before.Consumers {
		if !slices.Contains(after.Consumers, name) {
			s.cfg.Logger.Warn("a consumer is missing that was there when the server stopped", "stream", before.Name, "consumer", name)
		}
	}
}
