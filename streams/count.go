package streams

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"warren/streams/internal/jsapi"
)

// Count counts the keys that match a pattern and have an entry, markers among them,
// without reading any: for a few keys with large values. It knows of every write that
// was confirmed.
func (t *Store) Count(ctx context.Context, pattern string) (int, error) {
	n, err := ask(ctx, t, func(ctx context.Context) (int, error) { return t.count(ctx, pattern) })
	if err != nil {
		return 0, fmt.Errorf("count keys %q of store %q: %w", pattern, t.name, err)
	}
	return n, nil
}

func (t *Store) count(ctx context.Context, pattern string) (int, error) {
	filter, err := t.filter(pattern)
	if err != nil {
		return 0, err
	}
	for n := 0; ; {
		some, total, err := t.countFrom(ctx, filter, n)
		if n += some; err != nil || some == 0 || n >= total {
			return n, err
		}
	}
}

// countFrom counts some keys behind so many, and says how many there are.
func (t *Store) countFrom(ctx context.Context, filter string, offset int) (some, total int, err error) {
	request, err := json.Marshal(map[string]any{"subjects_filter": filter, "offset": offset})
	if err != nil {
		return 0, 0, err
	}
	var info struct {
		Total int                 `json:"total"`
		Error *jetstream.APIError `json:"error"`
		State struct {
			Subjects map[string]json.RawMessage `json:"subjects"`
		} `json:"state"`
	}
	_, err = jsapi.Ask(ctx, func(ctx context.Context) (struct{}, error) {
		answer, err := t.s.nc.RequestWithContext(ctx, "$JS.API.STREAM.INFO."+t.stream, request)
		if err == nil {
			err = json.Unmarshal(answer.Data, &info)
		}
		if err == nil && info.Error != nil && info.Error.ErrorCode == jsapi.CodeNotAvailable {
			err = info.Error
			info.Error = nil
		}
		return struct{}{}, err
	})
	if err == nil && info.Error != nil {
		err = t.gone(info.Error)
	}
	return len(info.State.Subjects), info.Total, err
}
