package compare

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// streamNames lists the streams of a server that 'serve' has not made itself.
func streamNames(t *testing.T, url string) (list []string) {
	t.Helper()
	nc, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		if !strings.HasPrefix(name, "warren") {
			list = append(list, name)
		}
	}
	if err := names.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
