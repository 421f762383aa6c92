package weather

import "errors"

// ErrUnknownPlace is in the error of [Source.Current] if the source knows no such
// city: asking again does not help. After any other error it may.
var ErrUnknownPlace = errors.New("no place")
