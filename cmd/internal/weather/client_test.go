package weather

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const weatherTest = "http://weather.test"

// wttrServing is a source whose server answers with these handlers in turn.
func wttrServing(t *testing.T, handlers ...http.HandlerFunc) (*wttr, *answering, *memory) {
	t.Helper()
	source, server := newWttr(weatherTest), &answering{handlers: handlers}
	return source, server, serve(t, source.client, server)
}

func TestFailuresInPlainWords(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		handler  http.HandlerFunc
		want     string
		requests int64
		took     time.Duration
	}{
		"server error": {
			answer(503, ""),
			"wttr.in answered 503 Service Unavailable", 4, 7 * time.Second,
		},
		"not implemented": {
			answer(501, ""),
			"wttr.in answered 501 Not Implemented", 1, 0,
		},
		"bad request with a reason": {
			answer(400, `{"error":true,"reason":"Parameter\n count"}`),
			"wttr.in answered 400 Bad Request: Parameter count", 1, 0,
		},
		"bad request in plain text": {
			answer(400, "no such\x1b[31m view\n"),
			"wttr.in answered 400 Bad Request: no such[31m view", 1, 0,
		},
		"forbidden with a page": {
			answer(403, "<html><h1>Go away</h1></html>"),
			"wttr.in answered 403 Forbidden", 1, 0,
		},
		"a status nobody knows": {
			answer(299, "{}"),
			"wttr.in answered 299", 1, 0,
		},
		"too many requests": {
			answer(429, `{"error":true,"reason":"Minutely API request limit exceeded."}`),
			"wttr.in answered 429 Too Many Requests: Minutely API request limit exceeded.", 4, 7 * time.Second,
		},
		"too many requests, for too long": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusTooManyRequests)
			},
			"wttr.in answered 429 Too Many Requests and wants to be asked again in 1h0m0s", 1, 0,
		},
		"silence": {
			silent,
			"wttr.in timed out after 30s", 3, 30 * time.Second,
		},
		"silence in the middle": {
			func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, `{"current_condition":`)
				w.(http.Flusher).Flush()
				silent(w, r)
			},
			"wttr.in timed out after 10s", 1, 10 * time.Second,
		},
		"cut off": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				fmt.Fprint(w, `{"current_condition":`)
			},
			"wttr.in broke off in the middle of its answer", 1, 0,
		},
		"hung up": {
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"wttr.in closed the connection without an answer", 4, 7 * time.Second,
		},
		"redirects in a circle": {
			func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
			"wttr.in is unreachable: stopped after 10 redirects", 10, 0,
		},
		"redirects out of HTTP": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "file:///etc/passwd")
				w.WriteHeader(http.StatusFound)
			},
			`wttr.in is unreachable: unsupported protocol scheme "file"`, 1, 0,
		},
		"a page": {
			answer(200, "\n<!DOCTYPE html><html>Log in to the airport</html>"),
			"wttr.in answered a web page instead of JSON", 1, 0,
		},
		"a text": {
			answer(200, "Sorry,\r\nwe ran out of queries"),
			`wttr.in answered something that is no JSON: "Sorry, we ran out of queries"`, 1, 0,
		},
		"nothing": {
			answer(200, " "),
			"wttr.in answered nothing", 1, 0,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source, server, _ := wttrServing(t, test.handler)
				started := time.Now()
				_, err := source.Current(t.Context(), "Kyiv", Metric)
				if err == nil || err.Error() != test.want {
					t.Errorf("got error %v, want %s", err, test.want)
				}
				if errors.Is(err, ErrUnknownPlace) {
					t.Errorf("got %v, want an error about the server and not the place", err)
				}
				if took := time.Since(started); took != test.took {
					t.Errorf("got it after %s, want %s", took, test.took)
				}
				if requests := server.asked.Load(); requests != test.requests {
					t.Errorf("got %d requests, want %d", requests, test.requests)
				}
			})
		})
	}
}

func TestAServerThatRecovers(t *testing.T) {
	t.Parallel()
	later := func(seconds string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", seconds)
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}
	tests := map[string]struct {
		handlers []http.HandlerFunc
		took     time.Duration
	}{
		"from errors":               {[]http.HandlerFunc{answer(500, ""), answer(502, "")}, 3 * time.Second},
		"from silence":              {[]http.HandlerFunc{silent}, 11 * time.Second},
		"when it said it would":     {[]http.HandlerFunc{later("7")}, 7 * time.Second},
		"and wants to be asked now": {[]http.HandlerFunc{later("0")}, time.Second},
		"and wants nonsense":        {[]http.HandlerFunc{later("-5"), later("soon")}, 3 * time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source, _, _ := wttrServing(t, append(test.handlers, answer(200, wttrKyiv))...)
				started := time.Now()
				if _, err := source.Current(t.Context(), "Kyiv", Metric); err != nil {
					t.Errorf("got error %v, want a reading", err)
				}
				if took := time.Since(started); took != test.took {
					t.Errorf("got it after %s, want %s", took, test.took)
				}
			})
		})
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source, _, server := wttrServing(t, answer(200, wttrKyiv))
		server.refuse.Store(4)
		started := time.Now()
		_, err := source.Current(t.Context(), "Kyiv", Metric)
		if want := "wttr.in is unreachable: dial tcp 127.0.0.1:80: "; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got error %v, want %s...", err, want)
		}
		if took, dials := time.Since(started), server.dials.Load(); took != 7*time.Second || dials != 4 {
			t.Errorf("got it after %s and %d dials, want 7s and 4", took, dials)
		}

		server.refuse.Store(2)
		if _, err := source.Current(t.Context(), "Kyiv", Metric); err != nil {
			t.Errorf("got error %v from a server that came back, want a reading", err)
		}
	})
}

// The caller's deadline holds for everything, and nothing is begun that would
// outlast it.
func TestCallersDeadline(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		handler http.HandlerFunc
		want    string
		took    time.Duration
	}{
		"silence": {silent, "wttr.in timed out after 2s", 2 * time.Second},
		"errors":  {answer(500, ""), "wttr.in answered 500 Internal Server Error", time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source, _, _ := wttrServing(t, test.handler)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				started := time.Now()
				_, err := source.Current(ctx, "Kyiv", Metric)
				if err == nil || err.Error() != test.want {
					t.Errorf("got error %v, want %s", err, test.want)
				}
				if took := time.Since(started); took != test.took {
					t.Errorf("got it after %s, want %s", took, test.took)
				}
			})
		})
	}
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"while it waits for an answer": silent,
		"while it waits to ask again":  answer(503, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				source, _, _ := wttrServing(t, handler)
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(500*time.Millisecond, cancel)
				started := time.Now()
				_, err := source.Current(ctx, "Kyiv", Metric)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("got error %v, want context.Canceled", err)
				}
				if took := time.Since(started); took != 500*time.Millisecond {
					t.Errorf("got it after %s, want 500ms", took)
				}
			})
		})
	}
}

// What is longer than any reading is not read to its end.
func TestAnEndlessAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 50 << 20
		written := make(chan int, 1)
		source, _, _ := wttrServing(t, func(w http.ResponseWriter, _ *http.Request) {
			n := 0
			for chunk := []byte(strings.Repeat(" ", 32<<10)); n < size; n += len(chunk) {
				if _, err := w.Write(chunk); err != nil {
					break
				}
			}
			written <- n
		})
		_, err := source.Current(t.Context(), "Kyiv", Metric)
		if want := "wttr.in answered more than 1 MB"; err == nil || err.Error() != want {
			t.Errorf("got error %v, want %s", err, want)
		}
		if n := <-written; n > 2*answerLimit {
			t.Errorf("got %d bytes through to the client, want not much more than %d", n, answerLimit)
		}
	})
}

// The server is told who asks, and that it is for once: a connection kept open
// would be nobody's to close.
func TestOneRequestAConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		requests := make(chan *http.Request, 1)
		source, _, _ := wttrServing(t, func(w http.ResponseWriter, r *http.Request) {
			requests <- r
			answer(200, wttrKyiv)(w, r)
		})
		if _, err := source.Current(t.Context(), "Kyiv", Metric); err != nil {
			t.Fatal(err)
		}
		got := <-requests
		if got.UserAgent() != "warren" || !got.Close {
			t.Errorf("got user agent %q, closing %t, want warren, true", got.UserAgent(), got.Close)
		}
	})
}
