package workers

import "context"

// part is a signature on its way to be sent: with the app that sends it, and
// what was wrong with it when it was made.
type part struct {
	app    *App
	sig    Signature
	unique unique
	err    error
}

// Sig is a complete call, or canvas, whose result is an R. It is a value: its
// methods give another one. What is wrong with it is told when it is applied.
type Sig[R any] struct{ part }

// Step is a call, or canvas, that needs an A from what comes before, and results
// in an R.
type Step[A, R any] struct{ part }

// Call is a complete call of whatever result: a [Sig], or a [Signature].
type Call interface{ Signature() Signature }

func (s Sig[R]) whole() part { return s.part }

// Accepts is what can come behind an A: every [Step] of A.
type Accepts[A any] interface{ after(A) part }

func (s Step[A, R]) after(A) part { return s.part }

func newSig[R any](p part) Sig[R]         { return Sig[R]{p} }
func newStep[A, R any](p part) Step[A, R] { return Step[A, R]{p} }

// Skip puts a complete call where a step is wanted: it ignores the A that comes
// before. Celery's immutable signature, .si.
func Skip[A, R any](s Sig[R]) Step[A, R] {
	s.sig.Immutable = true
	return newStep[A, R](s.part)
}

// With sets options of this call.
func (s Sig[R]) With(opts ...Option) Sig[R] { return newSig[R](s.with(opts)) }

// With sets options of this call.
func (s Step[A, R]) With(opts ...Option) Step[A, R] { return newStep[A, R](s.with(opts)) }

// Link calls back when the call has succeeded, with its result.
func (s Sig[R]) Link(callbacks ...Accepts[R]) Sig[R] {
	return newSig[R](s.link(partsAfter(callbacks)))
}

// Link calls back when the call has succeeded, with its result.
func (s Step[A, R]) Link(callbacks ...Accepts[R]) Step[A, R] {
	return newStep[A, R](s.link(partsAfter(callbacks)))
}

// LinkError calls back when the call has failed for good, with its [Failure].
// Every step of a chain has the callbacks of the chain; those of a chord are
// called once, when its header or its body fails.
func (s Sig[R]) LinkError(callbacks ...Accepts[Failure]) Sig[R] {
	return newSig[R](s.linkError(partsAfter(callbacks), false))
}

// LinkError calls back when the call has failed for good, with its [Failure].
func (s Step[A, R]) LinkError(callbacks ...Accepts[Failure]) Step[A, R] {
	return newStep[A, R](s.linkError(partsAfter(callbacks), false))
}

// LinkErrorID is LinkError with the id of the failed task, as in Celery 3,
// instead of its failure.
func (s Sig[R]) LinkErrorID(callbacks ...Accepts[string]) Sig[R] {
	return newSig[R](s.linkError(partsAfter(callbacks), true))
}

// LinkErrorID is LinkError with the id of the failed task, as in Celery 3,
// instead of its failure.
func (s Step[A, R]) LinkErrorID(callbacks ...Accepts[string]) Step[A, R] {
	return newStep[A, R](s.linkError(partsAfter(callbacks), true))
}

// Apply sends the call to the workers and gives a handle on its result. An error
// says that nothing was sent, or wraps what is unsure.
func (s Sig[R]) Apply(ctx context.Context, opts ...Option) (*Result[R], error) {
	p := s.with(opts)
	if p.err != nil {
		return nil, p.err
	}
	if p.app == nil && p.sig.Kind == KindGroup && len(p.sig.Tasks) == 0 {
		return &Result[R]{new(handle)}, nil // of nobody's tasks, and done
	}
	h, err := p.app.apply(ctx, p.sig, p.unique)
	if err != nil {
		return nil, err
	}
	return &Result[R]{h}, nil
}

// Run is Apply, then Get.
func (s Sig[R]) Run(ctx context.Context, opts ...Option) (R, error) {
	r, err := s.Apply(ctx, opts...)
	if err != nil {
		var zero R
		return zero, err
	}
	return r.Get(ctx)
}

// Signature is the call as data.
func (s Sig[R]) Signature() Signature { return s.sig }

func partsAfter[A any](list []Accepts[A]) []part {
	var a A
	parts := make([]part, len(list))
	for i, callback := range list {
		parts[i] = callback.after(a)
	}
	return parts
}

func (p part) with(opts []Option) part {
	if len(opts) == 0 {
		return p
	}
	s := settings{CallOptions: p.sig.Options, unique: p.unique}
	for _, o := range opts {
		o(&s)
	}
	p.sig.Options, p.unique = s.CallOptions, s.unique
	p.fail(s.problem)
	if !s.pace.none() {
		p.fail(errPace)
	}
	return p
}

func (p *part) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

func (p part) link(callbacks []part) part {
	list := p.sig.Options.Link
	list = list[:len(list):len(list)]
	for _, callback := range callbacks {
		p.include(callback)
		list = append(list, callback.sig)
	}
	p.sig.Options.Link = list
	return p
}

func (p part) linkError(callbacks []part, byID bool) part {
	list := p.sig.Options.LinkError
	list = list[:len(list):len(list)]
	for _, callback := range callbacks {
		p.include(callback)
		callback.sig.Options.ErrbackID = byID
		list = append(list, callback.sig)
	}
	p.sig.Options.LinkError = list
	return p
}
