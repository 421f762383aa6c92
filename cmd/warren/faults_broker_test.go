//go:build linux

package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"warren/embedded/embeddedtest"
)

// TestFaults_OneBroker: whatever is killed, stopped or runs short with one broker,
// nothing that was confirmed is lost, and everything goes on afterwards.
func TestFaults_OneBroker(t *testing.T) {
	t.Parallel()
	total, times := sizes()
	for name, fault := range map[string]func(s *scene, b *brokerProcess){
		"broker killed": func(s *scene, b *brokerProcess) {
			for i := range times {
				s.progress(i+1, times+1)
				b.kill(s.t)
				b.restart(s.t)
			}
		},
		"publisher killed": func(s *scene, _ *brokerProcess) {
			for i := range times {
				s.progress(i+1, times+1)
				s.publisher.kill(s.t)
				s.publish()
			}
		},
		"consumer killed": func(s *scene, _ *brokerProcess) {
			for i := range times {
				s.progress(i+1, times+1)
				s.consumer.kill(s.t)
				s.consume()
			}
		},
		"broker stopped":    func(s *scene, b *brokerProcess) { s.stop(b.command, times) },
		"publisher stopped": func(s *scene, _ *brokerProcess) { s.stop(s.publisher, times) },
		"consumer stopped":  func(s *scene, _ *brokerProcess) { s.stop(s.consumer, times) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serveProcess(t)
			s := newScene(t, b.url, total)
			s.during(name, func() { fault(s, b) })
		})
	}
}

// stop stops a process for longer than a lease, so often.
func (s *scene) stop(c *command, times int) {
	s.t.Helper()
	for i := range times {
		s.progress(i+1, times+1)
		stall(s.t, c, func() { s.hold(faultLease + time.Second) })
	}
}

// TestFaults_SmallDisk: another program fills the disk of the broker, and frees it.
func TestFaults_SmallDisk(t *testing.T) {
	t.Parallel()
	needRoot(t)
	total, times := sizes()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+strconv.Itoa(128<<20)); err != nil {
		t.Fatalf("mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	b := serveProcess(t, "--dir", filepath.Join(disk, "data"))
	s := newScene(t, b.url, total)
	s.during("disk filled by another", func() {
		for i := range times {
			s.progress(i+1, times+1)
			other := filepath.Join(disk, "other")
			_ = os.WriteFile(other, make([]byte, 256<<20), 0o600) // until there is no room
			b.awaitLines(t, "publishers are refused", i+1)
			if err := os.Remove(other); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestFaults_SmallLimits: a queue without a consumer reaches the limit of memory, or
// that of the store; then it is consumed.
func TestFaults_SmallLimits(t *testing.T) {
	t.Parallel()
	for kind, flag := range map[string]string{"transient": "--max-memory", "durable": "--max-store"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := serveProcess(t, flag, "512KiB")
			total, _ := sizes()
			s := newScene(t, b.url, total)
			s.kind = kind
			began := time.Now()
			s.publish()
			b.awaitLines(t, "publishers are refused", 1)
			s.consume()
			s.await("confirmed", s.confirmations, s.total)
			s.await("delivered", s.deliveries, s.total)
			s.wantPromises(flag[2:]+" reached", time.Since(began))
		})
	}
}

// TestFaults_FewFiles: a broker that may open only a few files.
func TestFaults_FewFiles(t *testing.T) {
	t.Parallel()
	total, _ := sizes()
	b := &brokerProcess{args: []string{"-c", `ulimit -n 48; exec warren "$@"`, "sh", "serve", "--dir", t.TempDir()}}
	port := strconv.Itoa(embeddedtest.Port(t))
	b.args, b.url = append(b.args, "--port", port), "nats://127.0.0.1:"+port
	b.command = launch(t, nil, "sh", b.args...)
	b.awaitLine(t, "Warren is ready")
	s := newScene(t, b.url, total)
	s.during("48 open files", func() {
		s.progress(1, 4)
		var others []net.Conn
		for range 48 { // with what is open already, more than there may be
			conn, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			others = append(others, conn)
		}
		b.awaitLines(t, "too many open files", 1)
		for _, conn := range others {
			_ = conn.Close()
		}
		s.progress(2, 4)
	})
}
