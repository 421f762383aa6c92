package main

import "crypto/tls"

// serverTLS is what clients of a broker of this process must speak, or nil.
func (c connection) serverTLS() (*tls.Config, error) {
	if c.tlsCert == "" {
		return nil, nil
	}
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
