package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var bannerURL = regexp.MustCompile(`URL +(tls://\S+)`)

func TestServe_TLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.sign(t, "server")
	a.sign(t, "client")
	var said func() string // of the broker that was started last
	serve := func(flags ...string) (url string) {
		args := append([]string{"serve", "--port", "0", "--no-amqp", "--dir", t.TempDir(), "--tls-cert", a.file("server.pem"), "--tls-key", a.file("server-key.pem")}, flags...)
		c := launch(t, nil, "warren", args...)
		c.awaitLine(t, "To exit press CTRL+C")
		found := bannerURL.FindStringSubmatch(c.said())
		if found == nil {
			t.Fatalf("got no URL in %s", c.said())
		}
		said = c.said
		return found[1]
	}
	url := serve()
	wantHello(t, "--server", url, "--tls-ca", a.file("ca.pem"))
	refused(t, []string{"send", "--server", url}, exitFailure, "name who signed its certificate as --tls-ca FILE")

	mutual := serve("--tls-ca", a.file("ca.pem"))
	wantHello(t, "--server", mutual, "--tls-ca", a.file("ca.pem"), "--tls-cert", a.file("client.pem"), "--tls-key", a.file("client-key.pem"))
	refused(t, []string{"send", "--server", mutual, "--tls-ca", a.file("ca.pem")}, exitFailure, "--tls-cert FILE --tls-key FILE")

	// Another certificate is given to who connects from then on, and stays when it cannot be read.
	b := newAuthority(t)
	b.sign(t, "server")
	for _, name := range []string{"server.pem", "server-key.pem"} {
		text, err := os.ReadFile(b.file(name))
		if err == nil {
			err = os.WriteFile(a.file(name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	wantHello(t, "--server", url, "--tls-ca", b.file("ca.pem"))
	refused(t, []string{"send", "--server", url, "--tls-ca", a.file("ca.pem")}, exitFailure, "name who signed its certificate as --tls-ca FILE")
	if err := os.WriteFile(a.file("server-key.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantHello(t, "--server", mutual, "--tls-ca", a.file("ca.pem"), "--tls-cert", a.file("client.pem"), "--tls-key", a.file("client-key.pem"))
	if want := "cannot read the certificate of this broker again"; !strings.Contains(said(), want) {
		t.Errorf("got no %q in %s", want, said())
	}

	refused(t, []string{"serve", "--tls-cert", "a.pem"}, exitUsage, "--tls-cert and --tls-key go together")
	refused(t, []string{"serve", "--tls-ca", "a.pem"}, exitUsage, "--tls-ca goes with them")
	refused(t, []string{"serve", "--port", "0", "--no-amqp", "--dir", t.TempDir(), "--tls-cert", "a.pem", "--tls-key", "b.pem"}, exitFailure, "certificate a.pem with key b.pem")
}
