package streams

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// traceDestination is where the server tells what became of a message.
const traceDestination = "Nats-Trace-Dest"

// ackError reads a publish acknowledgement. Those without an error, nearly all,
// are recognised without parsing.
func ackError(data []byte) error {
	if bytes.HasPrefix(data, []byte(`{"stream":`)) && !bytes.Contains(data, []byte(`"error"`)) {
		return nil
	}
	var ack struct {
		Stream string              `json:"stream"`
		Error  *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(data, &ack); err != nil {
		return fmt.Errorf("%w: unreadable acknowledgement: %w", ErrUnconfirmed, err)
	}
	switch {
	case ack.Error == nil && ack.Stream == "":
		return fmt.Errorf("%w: the acknowledgement names no stream", ErrUnconfirmed)
	case ack.Error == nil:
		return nil
	case jsapi.IsFull(ack.Error):
		return jsapi.NoRoom(ack.Error)
	}
	return fmt.Errorf("the broker refused the message: %w", ack.Error)
}

// ackSequence reads what sequence a message got from its acknowledgement, 0 if it
// does not say.
func ackSequence(data []byte) (seq uint64) {
	_, rest, _ := bytes.Cut(data, []byte(`"seq":`))
	for _, c := range bytes.TrimLeft(rest, " ") {
		if c < '0' || c > '9' {
			break
		}
		seq = 10*seq + uint64(c-'0')
	}
	return seq
}

// traced reads what became of a message that was published as mandatory. Only
// the server that stored it knows.
func (c *confirms) traced(confirm *Confirm, msg *nats.Msg) {
	var trace struct {
		Events []struct {
			Type       string `json:"type"`
			NoInterest bool   `json:"nointerest"`
		} `json:"events"`
	}
	if json.Unmarshal(msg.Data, &trace) != nil {
		return
	}
	for _, event := range trace.Events {
		if event.Type != "js" {
			continue
		}
		confirm.nointerest = event.NoInterest
		confirm.awaitsTrace = false
		if !confirm.awaitsAck {
			c.complete(confirm)
		}
	}
}
