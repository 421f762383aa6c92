package celery

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"warren/streams"
)

// TestBody: whatever kombu makes of a body is read, by the names that it gives it.
func TestBody(t *testing.T) {
	t.Parallel()
	const plain = `[[1], {}, {}]`
	// bzip2 has no writer in Go: this is what Python's bz2.compress makes.
	bz, err := base64.StdEncoding.DecodeString("QlpoOTFBWSZTWYpxR/cAAAMagEAEIAAACgAKIAAhKB6QhgLOiY6kPF3JFOFCQinFH9w=")
	if err != nil {
		t.Fatal(err)
	}
	gz := packed(t, plain, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	zl := packed(t, plain, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	for _, test := range []struct {
		body                  string
		compression           any
		contentType, encoding string
		want, wrong           string
	}{
		{body: plain, want: plain},
		{body: plain, compression: "", contentType: "text/json; charset=utf-8", encoding: "UTF-8", want: plain},
		{body: string(bz), compression: "application/x-bz2", want: plain},
		{body: string(bz), compression: "bzip2", want: plain},
		{body: string(bz), compression: "bzip", want: plain},
		{body: gz, compression: "gzip", want: plain},
		{body: zl, compression: "application/x-gzip", want: plain},
		{body: zl, compression: "zlib", want: plain},
		{body: "[\"\xe9\"]", encoding: "latin-1", want: `["é"]`},
		{body: base64.StdEncoding.EncodeToString([]byte(plain)), encoding: "base64", want: plain},
		{body: plain, compression: "zstd", wrong: "compression zstd is not read"},
		{body: plain, compression: 1, wrong: "compression 1 is not read"},
		{body: plain, compression: "zlib", wrong: `decompress "zlib"`},
		{body: plain, encoding: "base64", wrong: `content encoding "base64"`},
		{body: plain, encoding: "utf-16", wrong: `content encoding "utf-16" is not read`},
		{body: "[\"\xe9\"]", wrong: "is not UTF-8"},
		{body: plain, contentType: "application/x-python-serialize", wrong: "pickle"},
		{body: plain, contentType: "application/x-yaml", wrong: "is not read"},
	} {
		in := streams.Message{Body: []byte(test.body), ContentType: test.contentType, ContentEncoding: test.encoding}
		if test.compression != nil {
			in.Headers = streams.Table{HeaderCompression: test.compression}
		}
		got, err := Body(in)
		switch {
		case test.wrong == "" && (err != nil || string(got) != test.want):
			t.Errorf("%v %s: got %q, error %v", test.compression, test.encoding, got, err)
		case test.wrong != "" && (err == nil || !strings.Contains(err.Error(), test.wrong)):
			t.Errorf("%v %s: got error %v, want %q in it", test.compression, test.encoding, err, test.wrong)
		}
	}
}

// TestBody_Bomb: a body that becomes too large is refused before it is all there.
func TestBody_Bomb(t *testing.T) {
	t.Parallel()
	const most = 1000
	for _, size := range []int{most, most + 1, 1000 * most} {
		body := packed(t, strings.Repeat(" ", size), func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
		got, err := decompress([]byte(body), "zlib", most)
		refused := err != nil && strings.Contains(err.Error(), "more than 1000 bytes")
		if refused != (size > most) || !refused && len(got) != size {
			t.Errorf("%d bytes: got %d, error %v", size, len(got), err)
		}
	}
}

func packed(t *testing.T, text string, writer func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var out bytes.Buffer
	w := writer(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
