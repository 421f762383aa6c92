package main

import (
	"crypto/tls"
	"log/slog"
	"sync/atomic"
)

// serverTLS is what clients of a broker of this process must speak, or nil. The files are
// read again for every client, so that a certificate may be renewed while the broker runs;
// where they cannot be read, what was read before counts on.
func (c connection) serverTLS(log *slog.Logger) (*tls.Config, error) {
	if c.tlsCert == "" {
		return nil, nil
	}
	first, err := c.readServerTLS()
	if err != nil {
		return nil, err
	}
	var last atomic.Pointer[tls.Config]
	last.Store(first)
	cfg := first.Clone()
	cfg.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now, err := c.readServerTLS()
		if err != nil {
			log.Warn("cannot read the certificate of this broker again; clients are given the one from before", "error", err)
			return last.Load(), nil
		}
		last.Store(now)
		return now, nil
	}
	return cfg, nil
}

func (c connection) readServerTLS() (*tls.Config, error) {
	pair, err := readKeyPair(c.tlsCert, c.tlsKey)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.tlsCA == "" {
		return cfg, nil
	}
	if cfg.ClientCAs, err = readAuthorities(c.tlsCA); err != nil {
		return nil, err
	}
	cfg.ClientAuth = tls.RequireAndVerifyClientCert
	return cfg, nil
}

// tlsFlags are what a client adds to reach such a broker.
func (c connection) tlsFlags() string {
	switch {
	case c.tlsCert == "":
		return ""
	case c.tlsCA == "":
		return " --tls-ca FILE"
	}
	return " --tls-ca FILE --tls-cert FILE --tls-key FILE"
}
