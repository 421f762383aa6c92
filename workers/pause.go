package workers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"warren/streams"
)

// pausedPrefix begins the keys of queues that are paused.
const pausedPrefix = "control.paused."

// forGood is how long is kept what does not expire.
const forGood = 10 * 365 * 24 * time.Hour

// Pause has all workers take no more tasks from a queue, those that are started
// later too, until [App.Resume]. What runs goes on; tasks may still be sent.
func (a *App) Pause(ctx context.Context, queue string) error {
	c, err := a.connected()
	if err != nil {
		return err
	}
	if _, err := c.session.InspectQueue(ctx, queue); err != nil {
		return fmt.Errorf("pause queue %q: %w", queue, err)
	}
	put := streams.Put{Key: pausedPrefix + queue, Value: []byte("{}"), TTL: forGood}
	if err := c.keep(ctx, put); err != nil {
		return fmt.Errorf("pause queue %q: %w", queue, err)
	}
	return nil
}

// Resume has workers take tasks from a queue again. It says whether the queue was
// paused.
func (a *App) Resume(ctx context.Context, queue string) (bool, error) {
	c, err := a.connected()
	if err != nil {
		return false, err
	}
	paused, err := c.paused(ctx)
	if err == nil && slices.Contains(paused, queue) {
		return true, c.store.Delete(ctx, pausedPrefix+queue)
	}
	if err != nil {
		err = fmt.Errorf("resume queue %q: %w", queue, err)
	}
	return false, err
}

// Paused are the queues that are paused, sorted.
func (a *App) Paused(ctx context.Context) ([]string, error) {
	c, err := a.connected()
	if err != nil {
		return nil, err
	}
	return c.paused(ctx)
}

func (c *client) paused(ctx context.Context) ([]string, error) {
	keys, err := c.store.Keys(ctx, pausedPrefix+">")
	if err != nil {
		return nil, fmt.Errorf("look which queues are paused: %w", err)
	}
	for i, key := range keys {
		keys[i] = strings.TrimPrefix(key, pausedPrefix)
	}
	slices.Sort(keys)
	return keys, nil
}
