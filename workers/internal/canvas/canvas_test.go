package canvas_test

import (
	"encoding/json"
	"testing"

	"warren/workers/internal/canvas"
	"warren/workers/internal/canvas/canvastest"
	"warren/workers/internal/jsontext"
)

// asJSON writes a task, and the steps behind it, as JSON, and reads it.
func asJSON(t canvas.Task) (canvas.Task, error) {
	back := canvas.Task{At: t.At}
	back.At.Rest = nil
	text, err := jsontext.Marshal(t.Call)
	if err == nil {
		err = json.Unmarshal(text, &back.Call)
	}
	if err == nil {
		text, err = jsontext.Marshal(t.At.Rest)
	}
	if err == nil {
		err = json.Unmarshal(text, &back.At.Rest)
	}
	return back, err
}

// Random canvases come to what they must, in whatever order their tasks come,
// how often, and whoever dies.
func TestCanvas_ComesToWhatItMust(t *testing.T) {
	t.Parallel()
	for seed := range uint64(600) {
		if err := canvastest.Check(seed, asJSON); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzCanvas: what the evaluator says of a random canvas is what must become of it, worked
// out one call after another.
func FuzzCanvas(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		if err := canvastest.Check(seed, asJSON); err != nil {
			t.Fatal(err)
		}
	})
}
