package beat

import (
	"warren/workers"
	"warren/workers/internal/periodic"
)

// client is what a scheduler uses of an app that is connected, and run what it has the app
// send.
type (
	client = periodic.Client[workers.Call, workers.Signature]
	run    = periodic.Run[workers.Signature]
)

// connect gives the client of an app, or says that the app is not connected.
var connect = periodic.Connect.(func(*workers.App) (client, error))
