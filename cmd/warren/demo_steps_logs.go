package main

import (
	"os"
	"path/filepath"
	"strings"
)

func playLogs(st *stage) {
	orders := st.subscriber("orders", orderType)
	payments := st.subscriber("payments", paymentType)
	generator := st.run("generate", "--rate", "200", "--count", "20")
	st.await(orders, "Logged ", 10)
	st.await(payments, "Logged ", 10)
	for _, kind := range []string{orderType, paymentType} {
		st.checkLog(kind, bodiesOf(generator, "Sent '"+kind))
	}
}

// subscriber starts one that writes a log file into the demo's directory.
func (st *stage) subscriber(label, kind string) *program {
	st.tell.command(st.line([]string{"subscribe", kind, "--log", kind + ".log"}), "")
	p := newInside(st.ctx, st.called, label, st.options([]string{"subscribe", kind, "--log", st.logFile(kind)}))
	st.programs = append(st.programs, p)
	st.await(p, waiting, 1)
	return p
}

func (st *stage) logFile(kind string) string { return filepath.Join(st.dir, kind+".log") }

// checkLog compares a log file with what was sent of its type.
func (st *stage) checkLog(kind string, sent []string) {
	text, err := os.ReadFile(st.logFile(kind))
	if err != nil {
		st.fail(err)
		return
	}
	var logged []string
	for line := range strings.Lines(string(text)) {
		_, body, _ := strings.Cut(line, " type="+kind+" key="+kind+" "+kind)
		logged = append(logged, strings.TrimSuffix(body, "\n")+"'")
	}
	first, _, _ := strings.Cut(string(text), "\n")
	st.tell.output(kind+".log", first+" …")
	st.check(kind+".log has all ten, in order, and nothing else", logged, sent)
}
