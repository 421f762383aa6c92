package workers

import (
	"testing"
	"time"

	"warren/workers/internal/canvas"
	"warren/workers/internal/canvas/canvastest"
)

// asMessage writes a task as a message, and reads it.
func asMessage(t canvas.Task) (canvas.Task, error) {
	out, err := newMessage(t, time.Unix(0, 0)).encode()
	if err != nil {
		return t, err
	}
	m, err := decodeMessage(out)
	if err != nil {
		return t, err
	}
	back := canvas.Task{Call: Signature{Task: m.Task, Args: m.Args, Kwargs: m.Kwargs}, At: m.position()}
	back.Call.Options = CallOptions{TaskID: m.ID, Link: m.Embed.Callbacks, LinkError: m.Embed.Errbacks, Headers: m.Headers}
	return back, nil
}

// Random canvases come to what they must, in whatever order their messages come,
// how often, and whoever dies.
func TestCanvasesComeToWhatTheyMust(t *testing.T) {
	t.Parallel()
	for seed := range uint64(600) {
		if err := canvastest.Check(seed, asMessage); err != nil {
			t.Fatal(err)
		}
	}
}
