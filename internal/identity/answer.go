package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/verdict-dev/verdict/policy"
)

// userAgent is how requests name themselves where nothing else is configured.
const userAgent = "verdict"

// answer is what a host said to one request.
type answer struct {
	status int
	header http.Header
	body   []byte
	// from is the method and the host, for errors.
	from string
}

// fault is an error about the answer.
func (a *answer) fault(format string, arguments ...any) error {
	return fmt.Errorf("%s: %w", a.from, fmt.Errorf(format, arguments...))
}

// unexpected is the fault of a status that decides nothing. What a host says
// below 500 it may say because of the one token.
func (a *answer) unexpected() error {
	err := a.fault("the answer has status %d", a.status)
	if 400 <= a.status && a.status < 500 {
		return &provoked{err}
	}
	return err
}

// overLimit reports whether the host refused because of how much it was asked,
// not because of the token: it says when to come back, that no request is left
// for now, or that there is a rate limit. GitHub's secondary limits may come with
// nothing but the latter.
func (a *answer) overLimit() bool {
	return a.header.Get("Retry-After") != "" || a.header.Get("X-Ratelimit-Remaining") == "0" ||
		bytes.Contains(bytes.ToLower(a.body), []byte("rate limit"))
}

// ask sends the request and reads the whole answer, of at most limit bytes. The
// error is a fault without the URL and without anything of the answer.
func ask(client *http.Client, request *http.Request, limit int64) (*answer, error) {
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", userAgent)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, requestFault(request, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err != nil {
		return nil, requestFault(request, err)
	}
	got := &answer{status: response.StatusCode, header: response.Header, body: body, from: request.Method + " " + request.URL.Host}
	if int64(len(body)) > limit {
		return nil, got.fault("the answer has more than %d bytes", limit)
	}
	return got, nil
}

// bounded is ctx with a limit of its own.
func bounded(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		timeout = defaultConnectionTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

// sinceEpoch is the instant that many seconds after 1970 (RFC 7519 §2,
// NumericDate), within the years that can be written.
func sinceEpoch(seconds float64) (time.Time, error) {
	const year10000 = 253402300800
	if seconds < 0 || seconds >= year10000 {
		return time.Time{}, errors.New("is not a time in seconds since 1970")
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))), nil
}

// wholeNumber returns the decimal form of a JSON number that is written as a
// whole one, with every digit.
func wholeNumber(raw []byte) (string, bool) {
	text := string(raw)
	digits := text
	if len(digits) > 1 && digits[0] == '-' {
		digits = digits[1:]
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return "", false
		}
	}
	return text, digits != "" && text != "-0"
}

// kindAt names the kind of a JSON value, for errors.
func kindAt(value policy.Value) string {
	if value.IsNull() {
		return "nothing"
	}
	switch value.Raw()[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	}
	if _, ok := wholeNumber(value.Raw()); ok {
		return "a whole number"
	}
	return "a number that is not whole, or not written out"
}
