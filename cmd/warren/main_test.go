package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"warren/embedded/embeddedtest"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){
		"warren": main,
		"churn":  churn,
		"hold":   hold,
		"amqp":   amqpClient,

		"profiled": profiled,
		"produce":  produce,
		"consume":  consume,
		"remain":   remain,
		"leads":    leads,
		"node":     node,
	})
}

// leakChecked fails a run that leaves goroutines behind.
type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int { return embeddedtest.Run(l.m) }
