//go:build unix

package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"warren/streams"
)

// TestLogFile_Rotated: a line goes to the file that the path names when it is
// written, whatever was done with the one before.
func TestLogFile_Rotated(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	rotated := path + ".1"
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.close() }()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(log.writeLine("one"))
	must(os.Rename(path, rotated))
	must(log.writeLine("two")) // there is no file of the name
	must(os.Rename(path, rotated))
	must(os.WriteFile(path, nil, 0o600)) // there is a new one
	must(log.writeLine("three"))
	wantFile(t, rotated, "two\n")
	wantFile(t, path, "three\n")
	must(os.Remove(path))
	must(log.writeLine("four"))
	wantFile(t, path, "four\n")
	must(os.WriteFile(rotated, []byte("half"), 0o600))
	must(os.Rename(rotated, path)) // an old one that was cut off is back
	must(log.writeLine("five"))
	wantFile(t, path, "half\nfive\n")
}

// TestLogFile_NowhereToWrite: a line that is in no file is not said to be in one,
// and the next is written when there is a place for it again.
func TestLogFile_NowhereToWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "logs")
	path := filepath.Join(dir, "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	log, err := openLog(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.close() }()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := log.writeLine("one"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := log.writeLine("two"); err != nil {
		t.Error(err)
	}
	wantFile(t, path, "two\n")
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s: got %q, want %q", filepath.Base(path), got, want)
	}
}

// TestSubscribe_LogIsRotated: what is acknowledged is in the file of the name or in
// the one that was put aside, and SIGHUP has the subscriber open its log again.
func TestSubscribe_LogIsRotated(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	path := filepath.Join(t.TempDir(), "orders.log")
	subscriber := launch(t, nil, "warren", "subscribe", "order", "--log", path, "--server", broker.url)
	subscriber.awaitLine(t, "Waiting for messages.")
	c := openClient(t, broker.url, streams.Config{})
	order := func(text string) {
		t.Helper()
		if err := c.Publish(t.Context(), shopExchange, orderType, streams.Message{Body: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		subscriber.awaitLine(t, "Logged '"+text+"'")
	}
	order("first")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	subscriber.signal(t, syscall.SIGHUP)
	subscriber.awaitLine(t, "Opened "+path+" again")
	order("second")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	order("third")
	for file, want := range map[string]string{path: "third", path + ".1": "second"} {
		if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), want) {
			t.Errorf("%s: got %q and %v, want a line of %q", filepath.Base(file), text, err, want)
		}
	}
	subscriber.signal(t, os.Interrupt)
	subscriber.wantEnd(t, exitOK)
}

// TestWeather_LogIsRotated: SIGHUP has 'weather --out' open its file again.
func TestWeather_LogIsRotated(t *testing.T) {
	t.Parallel()
	broker := serveProcess(t)
	source := &weatherSource{server: httptest.NewUnstartedServer(nil)}
	source.how.Store("good")
	source.server.Config.Handler = source
	source.server.Start()
	t.Cleanup(source.server.Close)
	path := filepath.Join(t.TempDir(), "weather.log")
	c := launch(t, nil, "warren", "weather", "Kyiv", "--out", path, "--source", source.server.URL, "--server", broker.url)
	c.awaitLine(t, "The weather in Kyiv")
	c.signal(t, syscall.SIGHUP)
	c.awaitLine(t, "Opened "+path+" again")
	c.signal(t, os.Interrupt)
	c.wantEnd(t, exitOK)
}
