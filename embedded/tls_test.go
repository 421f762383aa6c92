package embedded_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"warren/embedded"
)

func TestTLSIsRequiredFromOutsideOnly(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	s := start(t, embedded.Config{Port: embedded.RandomPort, TLS: id})
	if !strings.HasPrefix(s.URL(), "tls://127.0.0.1:") {
		t.Errorf("got URL %q, want tls://", s.URL())
	}
	connect(t, s)
	if nc, err := nats.Connect(s.URL()); err == nil {
		nc.Close()
		t.Error("got a connection that trusts anybody, want an error")
	}
	nc, err := nats.Connect(s.URL(), nats.Secure(&tls.Config{RootCAs: id.RootCAs}))
	if err != nil {
		t.Fatalf("connect with TLS: %v", err)
	}
	defer nc.Close()
	if _, err := nc.TLSConnectionState(); err != nil {
		t.Errorf("got %v, want a TLS connection", err)
	}
}

func TestMutualTLS(t *testing.T) {
	t.Parallel()
	id := newIdentity(t)
	id.ClientAuth = tls.RequireAndVerifyClientCert
	s := start(t, embedded.Config{Port: embedded.RandomPort, TLS: id})
	if nc, err := nats.Connect(s.URL(), nats.Secure(&tls.Config{RootCAs: id.RootCAs})); err == nil {
		nc.Close()
		t.Error("got a connection without a certificate, want an error")
	}
	nc, err := nats.Connect(s.URL(), nats.Secure(&tls.Config{RootCAs: id.RootCAs, Certificates: id.Certificates}))
	if err != nil {
		t.Fatalf("connect with a certificate: %v", err)
	}
	nc.Close()
}

// newIdentity is a certificate for 127.0.0.1, good for both ends, and the trust
// in it.
func newIdentity(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		RootCAs:      trusted,
		ClientCAs:    trusted,
	}
}
