package compare

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestWriteBehaviours(t *testing.T) {
	t.Parallel()
	behaviours := []Behaviour{
		{
			Scenario: "kill a worker", Verdict: UnlikeRabbitMQ, Question: "When does another have them?",
			Why: "The broker sees the connection go with the process; JetStream does not, and waits until the time for an acknowledgement is up.",
			Outcomes: []Outcome{
				{Target: "rabbitmq classic", Did: "after 2ms", Answer: "at once"},
				{Target: "warren", Did: "after 2s", Answer: "later"},
				{Target: "jetstream", Failed: "it hung"},
			},
		},
		{
			Scenario: "kill the broker", Verdict: NoAnswer, Question: "What is left?", Why: "None of them has an answer.",
			Outcomes: []Outcome{{Target: "rabbitmq classic", Did: "not offered", NotOffered: true}},
		},
	}
	var out strings.Builder
	if err := WriteBehaviours(&out, behaviours); err != nil {
		t.Fatal(err)
	}
	want := `kill a worker: not as RabbitMQ
  When does another have them?
    rabbitmq classic  after 2ms
    warren            after 2s
    jetstream         FAILED: it hung
  The broker sees the connection go with the process; JetStream does not, and waits until the time
  for an acknowledgement is up.

kill the broker: no answer
  What is left?
    rabbitmq classic  not offered
  None of them has an answer.
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestBehavioursFitThePage(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("wörter und mehr ", 40)
	var out strings.Builder
	err := WriteBehaviours(&out, []Behaviour{{
		Scenario: "s", Question: long, Why: long,
		Outcomes: []Outcome{{Target: "a target", Did: long, Failed: long}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > pageWidth {
			t.Errorf("a line has %d columns, want at most %d: %s", n, pageWidth, line)
		}
	}
}
