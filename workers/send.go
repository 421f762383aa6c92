package workers

import (
	"context"
	"encoding/json"
)

// Send sends a call that is known as data only: Celery's send_task. The task need
// not be registered here; whether its arguments fit is then seen by the worker.
func (a *App) Send(ctx context.Context, sig Signature, opts ...Option) (*Result[json.RawMessage], error) {
	return newSig[json.RawMessage](part{app: a, sig: sig}).Apply(ctx, opts...)
}
