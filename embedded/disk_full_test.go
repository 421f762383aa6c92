//go:build linux

package embedded_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"warren/embedded"
)

const smallDisk = 32 << 20

// TestDisk_PublishersStopBeforeItIsFull: on a small disk publishers are told that it
// is full while consumers still have some of it, and nothing fails.
func TestDisk_PublishersStopBeforeItIsFull(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t)
	js := jetStream(t, connect(t, start(t, embedded.Config{Dir: dir, MaxStore: 1 << 40})))
	workQueue(t, js)
	stored := fill(t, js, "a.q.b")
	if stored < smallDisk/2 {
		t.Errorf("%d bytes were stored on a disk of %d", stored, smallDisk)
	}
	if got := drainQueue(t, js); got != stored {
		t.Errorf("drained %d bytes, want %d", got, stored)
	}
	for { // the guard looks at the disk now and then
		_, err := js.Publish(t.Context(), "a.q.b", make([]byte, 64<<10))
		if err == nil {
			return
		}
		wantRefused(t, err)
	}
}

// TestDisk_FullForAMoment: somebody else fills the disk. Publishers are told, also
// when the store has failed because somebody wrote who is not refused, and when there
// is room again the server goes on by itself, with everything that it acknowledged.
func TestDisk_FullForAMoment(t *testing.T) {
	t.Parallel()
	dir := mountDisk(t)
	server := start(t, embedded.Config{Dir: filepath.Join(dir, "data")})
	js := jetStream(t, connect(t, server))
	workQueue(t, js)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "store", Subjects: []string{"store"}}); err != nil {
		t.Fatal(err)
	}
	confirmed := 0
	other := filepath.Join(dir, "other")
	fillDisk(t, other)
	for err := error(nil); !errors.Is(err, context.DeadlineExceeded); { // nobody answers once the store has failed
		if err = publishSoon(t, js, "store"); err == nil {
			confirmed++
		}
	}
	wantRefused(t, publishSoon(t, js, "a.q.b"))

	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []string{"store", "a.q.b"} {
		for publishSoon(t, js, subject) != nil { // the server notices, and starts again
		}
	}
	if err := server.Health(); err != nil {
		t.Error(err)
	}
	stream, err := js.Stream(t.Context(), "store")
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got < uint64(confirmed)+1 {
		t.Errorf("%d messages are there, want the %d that were confirmed", got, confirmed+1)
	}
}

// publishSoon publishes as one who does not wait long for an answer.
func publishSoon(t *testing.T, js jetstream.JetStream, subject string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := js.Publish(ctx, subject, make([]byte, 1<<10))
	return err
}

func workQueue(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "queue", Subjects: []string{"a.q.b"}, Retention: jetstream.WorkQueuePolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// drainQueue takes everything that is in the queue, and gives the bytes.
func drainQueue(t *testing.T, js jetstream.JetStream) (bytes int) {
	t.Helper()
	consumer, err := js.CreateOrUpdateConsumer(t.Context(), "queue", jetstream.ConsumerConfig{Durable: "drain", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	for {
		batch, err := consumer.FetchNoWait(100)
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for msg := range batch.Messages() {
			count++
			bytes += len(msg.Data())
			if err := msg.DoubleAck(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := batch.Error(); err != nil {
			t.Fatal(err)
		}
		if count == 0 {
			return bytes
		}
	}
}

func wantRefused(t *testing.T, err error) {
	t.Helper()
	var api *jetstream.APIError
	if !errors.As(err, &api) || !strings.HasPrefix(api.Description, embedded.Refused) {
		t.Fatalf("got %v, want an error that begins with %q", err, embedded.Refused)
	}
}

// mountDisk gives the directory of a disk of its own.
func mountDisk(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a disk for the test: run it as root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+strconv.Itoa(smallDisk)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// fillDisk writes a file until the disk has no room for more of it.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it could not be written
	for err == nil {
		_, err = f.Write(make([]byte, 1<<20))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("fill the disk: %v", err)
	}
}
