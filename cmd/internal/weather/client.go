package weather

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	patience       = 30 * time.Second // for a reading, whatever it takes
	attemptTimeout = 10 * time.Second // for one request and its answer
	connectTimeout = 5 * time.Second
	firstWait      = time.Second // before the first retry; it doubles
	longestWait    = 8 * time.Second
	retries        = 3
	answerLimit    = 1 << 20 // the longest answer of the sources has 60 kB
)

// newClient makes a client that leaves no connection open: the next reading is
// many minutes away, and so nobody has to close a source.
func newClient() *http.Client {
	return &http.Client{
		Timeout: attemptTimeout,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			MaxResponseHeaderBytes: 64 << 10,
			DisableKeepAlives:      true,
		},
	}
}

// get is what the server answers with status 200. Any other status is a
// *statusError. Errors are to be read after the name of the source.
func get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	started := time.Now()
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot be asked: %w", err)
	}
	request.Header.Set("User-Agent", "warren")
	response, err := new(attempts).client(client).Do(request)
	if response != nil {
		defer response.Body.Close() //nolint:errcheck // it is read, or of no use
	}
	var answer []byte
	if err == nil {
		answer, err = io.ReadAll(io.LimitReader(response.Body, answerLimit+1))
	}
	switch {
	case err != nil:
		return nil, failure(err, time.Since(started))
	case len(answer) > answerLimit:
		return nil, fmt.Errorf("answered more than %d MB", answerLimit>>20)
	case response.StatusCode != http.StatusOK:
		return nil, newStatusError(response, answer)
	}
	return answer, nil
}

// failure puts into words why there is no answer.
func failure(err error, after time.Duration) error {
	var network net.Error
	var request *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("was not waited for: %w", context.Canceled)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("timed out after %s", after.Round(100*time.Millisecond))
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("broke off in the middle of its answer")
	case errors.Is(err, io.EOF):
		return errors.New("closed the connection without an answer")
	case errors.As(err, &request):
		err = request.Err // without the address, which is long and tells the user nothing
	}
	return fmt.Errorf("is unreachable: %s", printable(err.Error()))
}

// attempts decides of one request whether and when it is made again.
type attempts struct {
	made int
	wait time.Duration
}

func (a *attempts) client(inner *http.Client) *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: inner,
		RetryMax:   retries,
		CheckRetry: a.again,
		Backoff: func(_, _ time.Duration, _ int, _ *http.Response) time.Duration {
			return a.wait
		},
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
	}
}

// again does not begin a wait that would outlast the time there is: what is known
// now is a better answer than a timeout later.
func (a *attempts) again(ctx context.Context, response *http.Response, err error) (bool, error) {
	retry, err := retryablehttp.DefaultRetryPolicy(ctx, response, err)
	if !retry {
		return false, err
	}
	a.wait = max(firstWait, retryablehttp.DefaultBackoff(firstWait, longestWait, a.made, response))
	a.made++
	deadline, limited := ctx.Deadline()
	return !limited || time.Until(deadline) > a.wait, nil
}

// statusError is an answer with another status than 200.
type statusError struct {
	code   int
	wait   time.Duration // what the server asks for, 0 if it does not
	reason string        // empty if the server gives none
}

func newStatusError(response *http.Response, answer []byte) *statusError {
	return &statusError{
		code:   response.StatusCode,
		wait:   retryablehttp.DefaultBackoff(0, 0, 0, response),
		reason: reason(answer),
	}
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("answered %d", e.code)
	if name := http.StatusText(e.code); name != "" {
		text += " " + name
	}
	if e.wait > 0 {
		text += fmt.Sprintf(" and wants to be asked again in %s", e.wait.Round(time.Second))
	}
	if e.reason != "" {
		text += ": " + e.reason
	}
	return text
}
