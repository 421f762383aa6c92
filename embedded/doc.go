// Package embedded runs the NATS server inside this process.
package embedded
