package compare

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// atOnce is how many trials run side by side. They wait more than they
	// compute, and more of them would disturb one another's stopwatches.
	atOnce = 4
	// trialLimit bounds one trial, so that a target that hangs costs no more.
	trialLimit = 30 * time.Second
	// restartLimit bounds one with a restart, which others may have to do.
	restartLimit = 3 * time.Minute
)

// Behave plays every scenario on every target and says what each did. Progress,
// which may be nil, is called from one goroutine at a time whenever a trial is
// over: done of total are, and what it was.
//
// A target that fails a scenario has that in its outcome; the others go on. When
// ctx ends, what was found until then comes back with the error of ctx.
func Behave(ctx context.Context, targets []Target, progress func(done, total int, what string)) ([]Behaviour, error) {
	p := newProgramme(scenarios(), targets, progress)
	p.playSideBySide(ctx)
	p.playAlone(ctx)
	return p.behaviours(), context.Cause(ctx)
}

// A programme is all trials of a run: each scenario on each target.
type programme struct {
	scenarios []scenario
	targets   []Target
	progress  func(done, total int, what string)

	mu       sync.Mutex
	done     int
	outcomes [][]*Outcome // by scenario and target; nil: not played
}

func newProgramme(scenarios []scenario, targets []Target, progress func(done, total int, what string)) *programme {
	if progress == nil {
		progress = func(int, int, string) {}
	}
	p := &programme{scenarios: scenarios, targets: targets, progress: progress}
	for range scenarios {
		p.outcomes = append(p.outcomes, make([]*Outcome, len(targets)))
	}
	return p
}

// playSideBySide plays what disturbs nobody, a few at a time.
func (p *programme) playSideBySide(ctx context.Context) {
	var playing sync.WaitGroup
	defer playing.Wait()
	room := make(chan struct{}, atOnce)
	for i := range p.scenarios {
		for j := range p.targets {
			if p.scenarios[i].alone {
				continue
			}
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			playing.Go(func() {
				defer func() { <-room }()
				p.play(ctx, i, j)
			})
		}
	}
}

// playAlone plays the rest one after another: two targets may be one broker.
func (p *programme) playAlone(ctx context.Context) {
	for i := range p.scenarios {
		for j := range p.targets {
			if p.scenarios[i].alone && ctx.Err() == nil {
				p.play(ctx, i, j)
			}
		}
	}
}

func (p *programme) play(ctx context.Context, i, j int) {
	o := playOn(ctx, p.scenarios[i], p.targets[j])
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.Failed != "" && ctx.Err() != nil {
		return // interrupted, which says nothing about the target
	}
	p.outcomes[i][j] = &o
	p.done++
	p.progress(p.done, len(p.scenarios)*len(p.targets), p.scenarios[i].name+" on "+o.Target)
}

// playOn plays one scenario on one target.
func playOn(ctx context.Context, s scenario, target Target) Outcome {
	limit := s.limit()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	o := Outcome{Target: target.Name()}
	found, err := tryOut(ctx, s, target)
	switch {
	case errors.Is(err, ErrNotOffered), errors.Is(err, errNotRun):
		o.NotOffered = true
		found.did = err.Error()
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil:
		o.Failed = fmt.Sprintf("there was no end to it within %v: %v", limit, err)
	case err != nil:
		o.Failed = err.Error()
	}
	o.Did, o.Answer, o.Took = found.did, found.answer, found.took
	return o
}

func tryOut(ctx context.Context, s scenario, target Target) (found, error) {
	t, err := newTrial(ctx, target)
	if err != nil {
		return found{}, err
	}
	f, err := s.play(ctx, t)
	if clearErr := t.clear(ctx); err == nil && clearErr != nil {
		err = fmt.Errorf("clear up: %w", clearErr)
	}
	return f, err
}

// behaviours are what was found, in the order of the scenarios and targets.
func (p *programme) behaviours() []Behaviour {
	features := make(map[string]Features)
	for _, t := range p.targets {
		features[t.Name()] = t.Features()
	}
	var all []Behaviour
	for i, s := range p.scenarios {
		b := Behaviour{Scenario: s.name, Question: s.question}
		for _, o := range p.outcomes[i] {
			if o != nil {
				b.Outcomes = append(b.Outcomes, *o)
			}
		}
		if len(b.Outcomes) == 0 {
			continue
		}
		a := answersOf(b.Outcomes)
		b.Same = a.same()
		b.Verdict = verdictOf(b.Outcomes, features)
		b.Why = s.because(a)
		all = append(all, b)
	}
	return all
}
