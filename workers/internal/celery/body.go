package celery

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"warren/streams"
)

// The content type and encoding of the bodies that are written here.
const (
	ContentType     = "application/json"
	ContentEncoding = "utf-8"
)

// HeaderCompression is the header that says in Celery how a body is compressed.
const HeaderCompression = "compression"

// largestContent is how large the body of a task may become when it is decompressed.
const largestContent = 64 << 20

// Body is the body of a task's message as JSON in UTF-8, whatever kombu has made of
// it. What it cannot be made of, the error says, and what the sender is to change.
func Body(in streams.Message) ([]byte, error) {
	if err := checkContentType(in.ContentType); err != nil {
		return nil, err
	}
	body, err := decompress(in.Body, in.Headers[HeaderCompression], largestContent)
	if err == nil {
		body, err = decode(body, in.ContentEncoding)
	}
	if err != nil {
		return nil, err
	}
	if !utf8.Valid(body) {
		return nil, fmt.Errorf("the body is not UTF-8, as its content encoding %q has it", in.ContentEncoding)
	}
	return ToJSON(body), nil
}

// checkContentType refuses what is not JSON. A message without a type is taken for it.
func checkContentType(kind string) error {
	plain, _, err := mime.ParseMediaType(kind)
	switch {
	case kind == "", err == nil && (plain == ContentType || plain == "text/json"):
		return nil
	case plain == "application/x-python-serialize":
		return fmt.Errorf("content type %q is pickle, which only Python reads; send JSON (Celery's task_serializer = \"json\")", kind)
	}
	return fmt.Errorf("content type %q is not read; send JSON (Celery's task_serializer = \"json\")", kind)
}

// decompress undoes Celery's task_compression, which is named in a header by the type
// of what it made.
func decompress(body []byte, header any, most int) ([]byte, error) {
	var r io.Reader
	var err error
	name, isText := header.(string)
	switch from := bytes.NewReader(body); {
	case header == nil || isText && name == "":
		return body, nil
	case name == "application/x-bz2" || name == "bzip2" || name == "bzip":
		r = bzip2.NewReader(from)
	case name != "application/x-gzip" && name != "gzip" && name != "zlib":
		return nil, fmt.Errorf("compression %v is not read; use \"zlib\" or \"bzip2\" (Celery's task_compression), or none", header)
	case bytes.HasPrefix(body, []byte{0x1f, 0x8b}):
		r, err = gzip.NewReader(from)
	default:
		r, err = zlib.NewReader(from) // which is what kombu calls gzip
	}
	if err == nil {
		body, err = io.ReadAll(io.LimitReader(r, int64(most)+1))
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompress %q: %w", name, err)
	case len(body) > most:
		return nil, fmt.Errorf("the body has more than %d bytes when it is decompressed", most)
	}
	return body, nil
}

// decode brings a body to UTF-8.
func decode(body []byte, encoding string) ([]byte, error) {
	switch strings.ToLower(encoding) {
	case "", "utf-8", "utf8", "us-ascii", "ascii", "binary", "ascii-8bit":
		return body, nil
	case "latin-1", "latin1", "iso-8859-1":
		text := make([]rune, len(body))
		for i, c := range body {
			text[i] = rune(c)
		}
		return []byte(string(text)), nil
	case "base64":
		plain, err := base64.StdEncoding.DecodeString(string(body))
		if err != nil {
			return nil, fmt.Errorf("content encoding %q: %w", encoding, err)
		}
		return plain, nil
	}
	return nil, fmt.Errorf("content encoding %q is not read; use \"utf-8\"", encoding)
}
