package workers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"warren/streams"
	"warren/workers/internal/jsontext"
)

// A catalogue is the list of the tasks that workers of one build know. They share it:
// its key is made of what is in it.

const cataloguePrefix = "catalogue."

// catalogueEvery is how often a worker writes its catalogue again, which would expire.
const catalogueEvery = 24 * time.Hour

// publishCatalogue writes the tasks of the app, and gives the name of the list.
func (c *client) publishCatalogue(ctx context.Context) (name string, err error) {
	text, err := jsontext.Marshal(c.app.Registered())
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	name = hex.EncodeToString(sum[:16])
	return name, c.keep(ctx, streams.Put{Key: cataloguePrefix + name, Value: text})
}

// catalogue reads a list of tasks. One that has expired has none in it.
func (c *client) catalogue(ctx context.Context, name string) ([]string, error) {
	e, err := c.store.Get(ctx, cataloguePrefix+name)
	if errors.Is(err, streams.ErrNoEntry) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what other workers know: %w", err)
	}
	return parseCatalogue(e.Value), nil
}

// parseCatalogue reads a list of tasks; what is none has none in it.
func parseCatalogue(text []byte) []string {
	var list []string
	if json.Unmarshal(text, &list) != nil {
		return nil
	}
	slices.Sort(list)
	return list
}
