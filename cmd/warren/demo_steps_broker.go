package main

import (
	"path/filepath"
	"strings"
)

func playBrokerKill(st *stage) {
	dir := filepath.Join(st.dir, "killed")
	broker := st.serve(dir, "0")
	st.run("send", "--queue", "kept", "--durable", "--persistent", "--count", "3")
	st.run("send", "--queue", "emptied", "--durable", "--count", "3")
	st.run("send", "--queue", "gone", "--count", "3")
	survivor := st.receiver("survivor", "", "receive", "--queue", "busy", "--durable", "--ack")
	st.show(st.run("list", "queues", "name", "messages_ready", "durable"))
	broker.end()
	st.tell.remark("kill -9 broker")
	st.serve(dir, st.port())
	st.show(st.run("list", "queues", "name", "messages_ready", "durable"))
	st.checkBack()
	st.run("send", "--queue", "busy", "--durable", "Still there?")
	st.await(survivor, received, 1)
	st.show(survivor)
	st.check("a receiver that had been there goes on", bodiesOf(survivor, received), []string{"'Still there?'"})
}

// checkBack looks at what the broker has after its death.
func (st *stage) checkBack() {
	queues := st.queues()
	_, kept := queues["kept"]
	_, gone := queues["gone"]
	st.check("the durable queues are back, the other is gone", []bool{kept, !gone}, []bool{true, true})
	st.check("the messages that were not persistent are gone", queues["emptied"].Ready, 0)
	receiver := st.receiver("kept", "", "receive", "--queue", "kept", "--durable", "--ack")
	st.await(receiver, received, 3)
	st.show(receiver)
	st.check("the persistent ones are back, in order", bodiesOf(receiver, received),
		[]string{"'Hello World 0'", "'Hello World 1'", "'Hello World 2'"})
}

// serve starts a broker as a child, and leads the rest of the step to it.
func (st *stage) serve(dir, port string) *program {
	st.tell.command(st.line([]string{"serve", "--dir", "DIR", "--port", port}), "")
	p := st.child("broker", []string{"serve", "--dir", dir, "--port", port})
	st.await(p, "To exit", 1)
	if urls, _ := p.lines.with("  URL "); len(urls) == 1 {
		alone := *st.demo
		alone.url = strings.TrimSpace(urls[0])
		st.demo = &alone
	}
	return p
}

// port is where the stage's broker listens.
func (st *stage) port() string {
	return st.url[strings.LastIndexByte(st.url, ':')+1:]
}
