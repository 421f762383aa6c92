package main

import (
	"regexp"
	"testing"
)

var bannerURL = regexp.MustCompile(`URL +(tls://\S+)`)

func TestServe_TLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	a.sign(t, "server")
	a.sign(t, "client")
	serve := func(flags ...string) (url string) {
		args := append([]string{"serve", "--port", "0", "--no-amqp", "--dir", t.TempDir(), "--tls-cert", a.file("server.pem"), "--tls-key", a.file("server-key.pem")}, flags...)
		c := launch(t, nil, "warren", args...)
		c.awaitLine(t, "To exit press CTRL+C")
		found := bannerURL.FindStringSubmatch(c.said())
		if found == nil {
			t.Fatalf("got no URL in %s", c.said())
		}
		return found[1]
	}
	url := serve()
	wantHello(t, "--server", url, "--tls-ca", a.file("ca.pem"))
	refused(t, []string{"send", "--server", url}, exitFailure, "name who signed its certificate as --tls-ca FILE")

	mutual := serve("--tls-ca", a.file("ca.pem"))
	wantHello(t, "--server", mutual, "--tls-ca", a.file("ca.pem"), "--tls-cert", a.file("client.pem"), "--tls-key", a.file("client-key.pem"))
	refused(t, []string{"send", "--server", mutual, "--tls-ca", a.file("ca.pem")}, exitFailure, "--tls-cert FILE --tls-key FILE")

	refused(t, []string{"serve", "--tls-cert", "a.pem"}, exitUsage, "--tls-cert and --tls-key go together")
	refused(t, []string{"serve", "--tls-ca", "a.pem"}, exitUsage, "--tls-ca goes with them")
	refused(t, []string{"serve", "--port", "0", "--no-amqp", "--dir", t.TempDir(), "--tls-cert", "a.pem", "--tls-key", "b.pem"}, exitFailure, "certificate a.pem with key b.pem")
}
