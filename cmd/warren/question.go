package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"warren/cmd/internal/weather"
)

// A question is what the weather task is asked, and how often.
type question struct {
	City   string        `json:"city"`
	Source string        `json:"source"`
	Units  weather.Units `json:"units"`
	Every  time.Duration `json:"every"`
}

func (q question) check() error {
	if q.Every < time.Second {
		return fmt.Errorf("--every is %v; use a second or more", q.Every)
	}
	if err := weather.CheckCity(q.City); err != nil {
		return err
	}
	if err := q.Units.Validate(); err != nil {
		return err
	}
	_, err := weather.New(q.Source)
	return err
}

func (q question) String() string {
	return fmt.Sprintf("%s, %s, %s, every %v", q.City, q.Source, q.Units, q.Every)
}

// key is where the last bulletin on it is stored.
func (q question) key() string {
	sum := sha256.Sum256([]byte(q.String()))
	return "report." + hex.EncodeToString(sum[:16])
}

// A bulletin is what a run of the weather task came to: a reading, or why there is
// none, and the last one that there was.
type bulletin struct {
	Reading *weather.Reading `json:"reading"`
	Failed  string           `json:"failed,omitempty"`
}

func (r bulletin) line(now time.Time) string {
	switch {
	case r.Failed == "":
		return r.Reading.String()
	case r.Reading == nil:
		return r.Failed
	}
	return r.Failed + "; " + r.Reading.LastKnown(now)
}
