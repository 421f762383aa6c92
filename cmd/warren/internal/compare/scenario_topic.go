package compare

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Words may be empty, and '#' may be anywhere and stand for nothing: that is where
// implementations differ.
var (
	topicPatterns = []string{"#", "*", "a.#", "a.*", "#.c", "*.c", "a.#.c", "a.*.c", "#.b.#", "*.#", "*.*", "a.b.c", ""}
	topicKeysSent = []string{"", "a", "b", "c", "a.b", "a.c", "a.b.c", "a.b.b.c", "b.c", "a.", ".c", "a..c", "a#", "a.*"}
)

// topicKeys binds a queue with each pattern, and publishes each key.
func topicKeys() scenario {
	return scenario{
		name: "topic keys",
		question: fmt.Sprintf("Which of %d keys does each of %d patterns match, with # in front, in the middle and for nothing, and with empty words?",
			len(topicKeysSent), len(topicPatterns)),
		play: playTopicKeys,
		why: func(a answers) string {
			amqp := allMatches(topicMatches)
			switch {
			case a.all(amqp):
				return "* is one word, even an empty one, and # is any number of words, none too."
			case a.same():
				return "All of them match alike, and not as AMQP does."
			case a.none(amqp):
				return "None of them matches all that AMQP does, each in its own way."
			}
			return fmt.Sprintf("NATS subjects have no empty words, and their > is one word or more and only at the end; %s had AMQP's answer on every pair all the same, and %s did not.",
				a.with(amqp).names(), a.without(amqp).names())
		},
	}
}

func playTopicKeys(ctx context.Context, t *trial) (found, error) {
	x, err := t.exchange(ctx, Topic)
	if err != nil {
		return found{}, err
	}
	boxes := make(map[string]*inbox) // those of the patterns it took
	for _, pattern := range topicPatterns {
		box, err := t.topicBox(ctx, x, pattern)
		if err != nil {
			continue // a pattern that is refused matches nothing
		}
		defer box.leave()
		boxes[pattern] = box
	}
	var refusedKeys []string
	for _, key := range topicKeysSent {
		told, err := t.outcome(ctx, x, key, t.message("key:"+key))
		if err != nil {
			return found{}, err
		}
		if told != nil {
			refusedKeys = append(refusedKeys, key)
		}
	}
	matched, err := gatherTopics(ctx, boxes)
	if err != nil {
		return found{}, err
	}
	f, err := judgeTopic(matched)
	f.did += refusals(refusedKeys, boxes)
	return f, err
}

func (t *trial) topicBox(ctx context.Context, exchange, pattern string) (*inbox, error) {
	q, err := t.bound(ctx, exchange, pattern)
	if err != nil {
		return nil, err
	}
	return openInbox(ctx, t.Conn, q, 10, Delivery.Ack)
}

// gatherTopics empties all boxes side by side, as those that wait for what does
// not come wait long.
func gatherTopics(ctx context.Context, boxes map[string]*inbox) (map[string][]string, error) {
	var (
		gathering sync.WaitGroup
		mu        sync.Mutex
		errs      []error
	)
	matched := make(map[string][]string)
	for pattern, box := range boxes {
		gathering.Go(func() {
			ids, err := box.gather(ctx, matchesOf(pattern))
			mu.Lock()
			defer mu.Unlock()
			matched[pattern] = ids
			if err != nil {
				errs = append(errs, fmt.Errorf("pattern %q: %w", pattern, err))
			}
		})
	}
	gathering.Wait()
	return matched, errors.Join(errs...)
}

// judgeTopic holds what was matched against what AMQP says.
func judgeTopic(matched map[string][]string) (found, error) {
	var twice, differ []string
	right := 0
	has := func(pattern, key string) bool { return slices.Contains(matched[pattern], "key:"+key) }
	for _, pattern := range topicPatterns {
		ids := slices.Sorted(slices.Values(matched[pattern]))
		if len(slices.Compact(ids)) < len(matched[pattern]) {
			twice = append(twice, pattern)
		}
		for _, key := range topicKeysSent {
			if has(pattern, key) == topicMatches(pattern, key) {
				right++
				continue
			}
			differ = append(differ, fmt.Sprintf("%q with %q", pattern, key))
		}
	}
	f := found{
		did:    fmt.Sprintf("%d of %d pairs as in AMQP", right, len(topicPatterns)*len(topicKeysSent)),
		answer: allMatches(has),
	}
	if len(differ) > 0 {
		const most = 3
		f.did += ", not " + strings.Join(differ[:min(most, len(differ))], ", ")
		if more := len(differ) - most; more > 0 {
			f.did += fmt.Sprintf(" and %d more", more)
		}
	}
	if len(twice) > 0 {
		return f, fmt.Errorf("a queue got one message more than once through %q", twice)
	}
	return f, nil
}

// refusals are what was not taken at all.
func refusals(keys []string, boxes map[string]*inbox) string {
	var text string
	if len(keys) > 0 {
		text += fmt.Sprintf("; refuses the keys %q", keys)
	}
	var patterns []string
	for _, pattern := range topicPatterns {
		if boxes[pattern] == nil {
			patterns = append(patterns, pattern)
		}
	}
	if len(patterns) > 0 {
		text += fmt.Sprintf("; refuses the patterns %q", patterns)
	}
	return text
}

// allMatches writes down what matches, pattern by pattern.
func allMatches(matches func(pattern, key string) bool) string {
	var lines []string
	for _, pattern := range topicPatterns {
		var keys []string
		for _, key := range topicKeysSent {
			if matches(pattern, key) {
				keys = append(keys, key)
			}
		}
		lines = append(lines, fmt.Sprintf("%q: %q", pattern, keys))
	}
	return strings.Join(lines, "; ")
}

// matchesOf is how many of the keys a pattern matches in AMQP.
func matchesOf(pattern string) (n int) {
	for _, key := range topicKeysSent {
		if topicMatches(pattern, key) {
			n++
		}
	}
	return n
}

// topicMatches is AMQP's rule: the empty key has no words.
func topicMatches(pattern, key string) bool { return wordsMatch(words(pattern), words(key)) }

func words(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}

func wordsMatch(pattern, key []string) bool {
	switch {
	case len(pattern) == 0:
		return len(key) == 0
	case pattern[0] == "#":
		return wordsMatch(pattern[1:], key) || len(key) > 0 && wordsMatch(pattern, key[1:])
	case len(key) == 0:
		return false
	}
	return (pattern[0] == "*" || pattern[0] == key[0]) && wordsMatch(pattern[1:], key[1:])
}
