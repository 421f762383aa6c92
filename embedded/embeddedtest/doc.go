// Package embeddedtest starts NATS servers for tests.
package embeddedtest
