//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"warren/embedded"
)

// A lab is a cluster of three in a network of its own: each server has a namespace,
// the clients have one, and a bridge in another one joins them. No address of it is
// seen outside.
type lab struct {
	t     *testing.T
	name  string
	nodes []*command
	dirs  []string
}

const labSize = 3

var labs atomic.Int32

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, name: fmt.Sprintf("wf%d-%d", os.Getpid(), labs.Add(1)), nodes: make([]*command, labSize)}
	removeStaleLabs(t)
	t.Cleanup(l.remove)
	l.ip("netns", "add", l.space("hub"))
	l.ip("-n", l.space("hub"), "link", "add", "br0", "type", "bridge")
	l.ip("-n", l.space("hub"), "link", "set", "br0", "up")
	for i := range labSize {
		l.join("n"+strconv.Itoa(i), l.address(i))
		l.dirs = append(l.dirs, t.TempDir())
	}
	l.join("c", l.address(100))
	for i := range labSize {
		l.nodes[i] = l.launch(i)
	}
	for _, n := range l.nodes {
		n.awaitLine(t, "ready")
	}
	return l
}

func (l *lab) space(name string) string { return l.name + "-" + name }

func (l *lab) address(i int) string { return "10.88.0." + strconv.Itoa(i+1) }

// join makes a namespace with an address, and ties it to the bridge.
func (l *lab) join(name, address string) {
	l.t.Helper()
	space, hub := l.space(name), l.space("hub")
	l.ip("netns", "add", space)
	l.ip("link", "add", name, "netns", hub, "type", "veth", "peer", "name", "eth0", "netns", space)
	l.ip("-n", hub, "link", "set", name, "master", "br0", "up")
	l.ip("-n", space, "address", "add", address+"/24", "dev", "eth0")
	l.ip("-n", space, "link", "set", "eth0", "up")
	l.ip("-n", space, "link", "set", "lo", "up")
}

// cut parts a server from the others and from the clients, or joins it again.
func (l *lab) cut(node int, how string) {
	l.t.Helper()
	l.ip("-n", l.space("hub"), "link", "set", "n"+strconv.Itoa(node), how)
}

func (l *lab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s; it takes iproute2", strings.Join(args, " "), err, out)
	}
}

// remove takes the namespaces away, and with them what is in them.
func (l *lab) remove() {
	for _, name := range []string{"n0", "n1", "n2", "c", "hub"} {
		removeSpace(l.space(name))
	}
}

// removeSpace removes a namespace and kills what a test that was killed has left in
// it. It may not have been made, and another test may be at it.
func removeSpace(name string) {
	pids, _ := exec.Command("ip", "netns", "pids", name).Output()
	for field := range strings.FieldsSeq(string(pids)) {
		if pid, err := strconv.Atoi(field); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = exec.Command("ip", "netns", "del", name).Run()
}

// removeStaleLabs removes those of processes that were killed.
func removeStaleLabs(t *testing.T) {
	t.Helper()
	entries, _ := os.ReadDir("/run/netns")
	for _, e := range entries {
		var pid, n int
		if _, err := fmt.Sscanf(e.Name(), "wf%d-%d-", &pid, &n); err != nil {
			continue
		}
		if err := syscall.Kill(pid, 0); err != nil {
			removeSpace(e.Name())
		}
	}
}

// within is what a command is started with in a namespace.
func (l *lab) within(name string) []string {
	return []string{"ip", "netns", "exec", l.space(name)}
}

func (l *lab) url() string {
	var urls []string
	for i := range labSize {
		urls = append(urls, "nats://"+l.address(i)+":4222")
	}
	return strings.Join(urls, ",")
}

// launch starts a server, or starts it again.
func (l *lab) launch(i int) *command {
	l.t.Helper()
	cfg := embedded.Config{
		Name: "node-" + strconv.Itoa(i), Host: l.address(i), Port: embedded.DefaultPort, Dir: l.dirs[i],
		Cluster: embedded.Cluster{Port: 6222},
	}
	for n := range labSize {
		cfg.Cluster.Routes = append(cfg.Cluster.Routes, l.address(n)+":6222")
	}
	order, err := json.Marshal(cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	path, err := exec.LookPath("node")
	if err != nil {
		l.t.Fatal(err)
	}
	args := append(l.within("n"+strconv.Itoa(i)), path, string(order))
	return launch(l.t, nil, args[0], args[1:]...)
}

// leader is the server that gives out what is in the queue.
func (l *lab) leader(s *scene) int {
	l.t.Helper()
	c := s.client("leads", s.url, "tasks")
	c.awaitLine(l.t, "leads node-")
	names, _ := c.out.with("leads node-")
	i, err := strconv.Atoi(names[0])
	if err != nil {
		l.t.Fatal(err)
	}
	return i
}

// TestFaults_ClusterOfThree: the leader is killed, or one server of three stopped or cut
// off, again and again. What comes again is marked, and what comes for the first time comes
// in order.
func TestFaults_ClusterOfThree(t *testing.T) {
	t.Parallel()
	needRoot(t)
	total, times := sizes()
	last := 5 * time.Second
	if *faults == "full" {
		last = 16 * time.Second
	}
	for name, fault := range map[string]func(l *lab, s *scene, i int){
		"leader killed": func(l *lab, s *scene, _ int) {
			i := l.leader(s)
			l.nodes[i].kill(s.t)
			s.hold(last / 5)
			l.nodes[i] = l.launch(i)
			l.nodes[i].awaitLine(s.t, "ready")
		},
		"server stopped": func(l *lab, s *scene, i int) {
			stall(s.t, l.nodes[i], func() { s.hold(last) })
		},
		"server cut off": func(l *lab, s *scene, i int) {
			l.cut(i, "down")
			s.hold(last)
			l.cut(i, "up")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := newScene(t, l.url(), total)
			s.within, s.copies = l.within("c"), labSize
			s.during(name+", cluster of three", func() {
				for i := range times {
					s.progress(i+1, times+1)
					fault(l, s, i%labSize)
				}
			})
		})
	}
}
