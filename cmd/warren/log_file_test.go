package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestALineIsALine: a log has a line for each message, whatever is in it.
func TestALineIsALine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"one\ntwo", "three"} {
		if err := log.writeLine("body=%s", body); err != nil {
			t.Error(err)
		}
	}
	if err := log.close(); err != nil {
		t.Error(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := "body=one\\ntwo\nbody=three\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
