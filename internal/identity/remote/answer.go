package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// UserAgent is how requests name themselves where nothing else is configured.
const UserAgent = "verdict"

// Answer is what a host said to one request.
type Answer struct {
	Status int
	Header http.Header
	// Body is whole, unless tooLong says that the limit was reached before its end.
	Body    []byte
	tooLong bool
	limit   int64
	// from is the method and the host, for errors.
	from string
}

// fault is an error about the answer.
func (a *Answer) fault(format string, arguments ...any) error {
	return fmt.Errorf("%s: %w", a.from, fmt.Errorf(format, arguments...))
}

// NoAnswer is a fault of an answer that says nothing of the token, and does not
// show that the host is away: it may be such because of the one token.
func (a *Answer) NoAnswer(format string, arguments ...any) error {
	return Provoked(a.fault(format, arguments...))
}

// Odd refuses the token because of what the host says of it.
func (a *Answer) Odd(format string, arguments ...any) error {
	return sources.Refused("%w", a.fault(format, arguments...))
}

// Unexpected is the fault of a status that decides nothing. A host that fails or
// that is asked too often says so of all tokens; anything else it may say because
// of the one.
func (a *Answer) Unexpected() error {
	if a.Status >= 500 || a.Status == http.StatusTooManyRequests {
		return a.fault("the answer has status %d", a.Status)
	}
	return a.NoAnswer("the answer has status %d", a.Status)
}

// Unreadable is what an answer comes to that is not JSON that is accepted. What
// is JSON to others, as with a name twice, is odd about the token; anything else,
// such as a page for people, is no answer.
func (a *Answer) Unreadable(err error) error {
	if json.Valid(a.Body) {
		return a.Odd("%w", sources.InvalidJSON(err))
	}
	return a.NoAnswer("%w", sources.InvalidJSON(err))
}

// CheckLength refuses the token of an answer that is too long to be read.
func (a *Answer) CheckLength() error {
	if a.tooLong {
		return a.Odd("the answer has more than %d bytes", a.limit)
	}
	return nil
}

// OverLimit reports whether the host refused because of how much it was asked,
// not because of the token: it says when to come back, that no request is left
// for now, or that there is a rate limit. GitHub's secondary limits may come with
// nothing but the latter.
func (a *Answer) OverLimit() bool {
	return a.Header.Get("Retry-After") != "" || a.Header.Get("X-Ratelimit-Remaining") == "0" ||
		bytes.Contains(bytes.ToLower(a.Body), []byte("rate limit"))
}

// Ask sends the request and reads the answer, of which limit bytes are kept. The
// error is a fault without the URL and without anything of the answer.
func Ask(client *http.Client, request *http.Request, limit int64) (*Answer, error) {
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", UserAgent)
	}
	response, began, err := Send(client, request)
	switch {
	case err != nil && began: // such as a header that is too long
		return nil, Provoked(requestFault(request, err))
	case err != nil:
		return nil, Unreachable(requestFault(request, err))
	}
	defer func() { _ = response.Body.Close() }()
	got := &Answer{Status: response.StatusCode, Header: response.Header, limit: limit, from: request.Method + " " + request.URL.Host}
	if got.Body, err = io.ReadAll(io.LimitReader(response.Body, limit+1)); err != nil {
		if got.Status >= http.StatusInternalServerError {
			return got, nil // the status says enough
		}
		// The host was reached, and began to answer: that it does not end, or does
		// so slowly, may be because of how much there is to say of this token.
		return nil, Provoked(requestFault(request, err))
	}
	if got.tooLong = int64(len(got.Body)) > limit; got.tooLong {
		got.Body = got.Body[:limit]
	}
	return got, nil
}

// Send sends a request that may be sent twice: once more on another connection,
// when the host closed the one that was kept before it answered anything. began
// says that an answer began.
func Send(client *http.Client, request *http.Request) (response *http.Response, began bool, err error) {
	// It lets a http.Transport send again what is no GET. Without a value it is
	// not sent itself.
	if _, set := request.Header["Idempotency-Key"]; !set {
		request.Header["Idempotency-Key"] = nil
	}
	var kept, first atomic.Bool
	ctx := httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
		GotConn:              func(connection httptrace.GotConnInfo) { kept.Store(connection.Reused) },
		GotFirstResponseByte: func() { first.Store(true) },
	})
	response, err = client.Do(request.WithContext(ctx)) //nolint:gosec // the URL is that of the configuration
	if breaksHTTP2(err) {
		return nil, true, err
	}
	if err == nil || first.Load() || !kept.Load() || IsTimeout(err) || ctx.Err() != nil {
		return response, first.Load(), err
	}
	// A Transport does so itself, where HTTP/1.1 is spoken.
	again := request.Clone(ctx)
	if request.GetBody != nil {
		if again.Body, err = request.GetBody(); err != nil {
			return nil, false, err
		}
	}
	response, err = client.Do(again) //nolint:gosec // likewise
	return response, first.Load(), err
}

// breaksHTTP2 reports whether what came cannot be read, as a header that is far
// too long. net/http has no exported error for that.
func breaksHTTP2(err error) bool {
	return err != nil && (strings.HasSuffix(err.Error(), "connection error: COMPRESSION_ERROR") || strings.HasSuffix(err.Error(), "connection error: PROTOCOL_ERROR"))
}

// Unreachable is err as the fault of a request that has no answer: it is
// identity.ErrUnreachable.
func Unreachable(err error) error { return &unreachable{err} }

type unreachable struct{ error }

// Unwrap implements what errors.As looks for.
func (u *unreachable) Unwrap() error { return u.error }

// Is implements what errors.Is looks for.
func (u *unreachable) Is(target error) bool { return target == identity.ErrUnreachable }

// IsTimeout reports whether there was no answer in time.
func IsTimeout(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// Bounded is ctx with a limit of its own.
func Bounded(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		timeout = defaultConnectionTimeout
	}
	return context.WithTimeout(ctx, timeout)
}

// SinceEpoch is the instant that many seconds after 1970 (RFC 7519 §2,
// NumericDate), within the years that can be written.
func SinceEpoch(seconds float64) (time.Time, error) {
	const year10000 = 253402300800
	if seconds < 0 || seconds >= year10000 {
		return time.Time{}, errors.New("is not a time in seconds since 1970")
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*float64(time.Second))), nil
}

// WholeNumber returns the decimal form of a JSON number that is written as a
// whole one, with every digit.
func WholeNumber(raw []byte) (string, bool) {
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

// KindOf names the kind of a JSON value, for errors.
func KindOf(value document.Value) string {
	if value.IsNull() {
		return "nothing"
	}
	if kind := value.Kind(); kind != document.KindNumber {
		return string(kind)
	}
	if _, ok := WholeNumber(value.Raw()); ok {
		return "a whole number"
	}
	return "a number that is not whole, or not written out"
}
