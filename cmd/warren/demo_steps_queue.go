package main

import (
	"fmt"
	"slices"
	"strings"
)

// How receivers begin the lines about a message.
const (
	received   = "Received "
	processing = "Start processing "
	processed  = "Processed for "
)

func playHello(st *stage) {
	receiver := st.receiver("receive", "in one terminal", "receive")
	st.run("send")
	st.await(receiver, received, 1)
	st.show(receiver)
	st.check("what was sent was received", bodiesOf(receiver, received), []string{"'Hello World!'"})
}

func playTurns(st *stage) {
	first := st.receiver("receiver 1", "in one terminal", "receive", "--work", "50ms-150ms")
	second := st.receiver("receiver 2", "in another", "receive", "--work", "50ms-150ms")
	st.run("send", "--count", "5")
	st.awaitAll(processed, 5, first, second)
	st.show(first)
	st.show(second)
	one, two := bodiesOf(first, processing), bodiesOf(second, processing)
	st.check("every message was received once", sorted(one, two), helloWorlds(0, 5))
	st.check("they were shared out evenly", []int{min(len(one), len(two)), max(len(one), len(two))}, []int{2, 3})
}

func playKillWithoutAck(st *stage) {
	victim := st.victim("victim", "", "receive", "--work", "200ms")
	st.run("send", "--count", "5")
	st.await(victim, processed, 1)
	st.await(victim, processing, 2)
	st.until("the broker to have sent everything", func() bool { return st.queues()["hello"].Ready == 0 })
	st.kill(victim)
	heir := st.receiver("heir", "start it again", "receive")
	st.run("send", "Are you there?")
	st.await(heir, received, 1)
	st.show(heir)
	st.check("the messages the victim had been sent are lost", bodiesOf(heir, received), []string{"'Are you there?'"})
}

func playKillWithAck(st *stage) {
	victim := st.victim("victim", "", "receive", "--work", "200ms", "--ack")
	st.run("send", "--count", "5")
	st.await(victim, processing, 2)
	st.until("the broker to have the acknowledgement", func() bool { return st.queues()["hello"].Messages < 5 })
	st.kill(victim)
	left := st.queues()["hello"].Messages // 4, unless this machine is slow
	heir := st.receiver("heir", "start it again", "receive", "--work", "20ms", "--ack")
	st.await(heir, processed, left)
	st.show(heir)
	st.check("it goes on where it was, and nothing is lost", bodiesOf(heir, processing), helloWorlds(5-left, 5))
}

func playRedeclare(st *stage) {
	st.run("send")
	refused := st.attempt("send", "--durable")
	st.show(refused)
	codes, _ := refused.lines.with(`warren: declare queue "hello": `)
	st.check("the queue is there, not durable: declaring it durable is refused",
		len(codes) == 1 && strings.HasPrefix(codes[0], "406 PRECONDITION_FAILED"), true)
	st.check("and the exit code says so", refused.code, exitFailure)
}

func playFairDispatch(st *stage) {
	slow, fast := st.dispatch("turns", "--ack")
	st.check(fmt.Sprintf("by turns, the slow one did %d and the fast one %d of 10", slow, fast),
		[]int{slow, fast}, []int{5, 5})
	slow, fast = st.dispatch("fair", "--prefetch=1")
	st.check(fmt.Sprintf("with a prefetch of 1, the slow one did %d and the fast one %d of 10", slow, fast),
		slow+fast == 10 && fast >= 7, true)
}

// dispatch has a slow and a fast receiver do ten messages, and counts who did
// how many.
func (st *stage) dispatch(queue, how string) (slow, fast int) {
	tortoise := st.receiver("slow", "", "receive", "--queue", queue, "--work", "150ms", how)
	hare := st.receiver("fast", "", "receive", "--queue", queue, "--work", "10ms", how)
	st.run("send", "--queue", queue, "--count", "10")
	st.awaitAll(processed, 10, tortoise, hare)
	return len(bodiesOf(tortoise, processing)), len(bodiesOf(hare, processing))
}

func playListing(st *stage) {
	st.run("send", "--count", "3")
	st.until("three messages to wait", func() bool { return st.queues()["hello"].Ready == 3 })
	listing := st.run("list", "queues", "name", "messages_ready", "consumers")
	st.show(listing)
	st.check("three messages wait", bodiesOf(listing, "hello  "), []string{"3               0"})
	st.show(st.run("list", "bindings", "destination_name", "routing_key"))
	st.show(st.run("queue", "purge", "hello"))
	st.check("purged, none does", st.queues()["hello"].Ready, 0)
	st.show(st.run("queue", "delete", "hello"))
	st.check("deleted, the queue is gone", len(st.queues()), 0)
}

// kill kills a child as kill -9 does: it has no say in it.
func (st *stage) kill(p *program) {
	p.end()
	if st.trouble == nil {
		st.show(p)
		st.tell.remark("kill -9 %s", p.label)
	}
}

// bodiesOf are the messages that a receiver has told of.
func bodiesOf(p *program, prefix string) []string {
	list, _ := p.lines.with(prefix)
	return list
}

// sorted puts lists together, in order.
func sorted(lists ...[]string) []string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return all
}

// helloWorlds are the bodies that 'warren send --count' makes.
func helloWorlds(from, to int) []string {
	list := make([]string, to-from)
	for i := range list {
		list[i] = fmt.Sprintf("Hello World %d", from+i)
	}
	return list
}
