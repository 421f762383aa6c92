package embedded_test

import (
	"testing"

	"warren/embedded"
)

// BenchmarkStart is a server's whole life with JetStream on a temporary
// directory: start, connect in process, close.
func BenchmarkStart(b *testing.B) {
	for name, cfg := range map[string]embedded.Config{
		"in-process": {},
		"listening":  {Port: embedded.RandomPort},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s, err := embedded.Start(cfg)
				if err != nil {
					b.Fatal(err)
				}
				nc, err := s.Connect()
				if err != nil {
					b.Fatal(err)
				}
				nc.Close()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
