package cluster

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// contact records the time of the API server's last message, and the last error.
type contact struct {
	now func() time.Time

	mu        sync.Mutex
	heardAt   time.Time // guarded by mu, like the fields below
	failedAt  time.Time
	lastError error
}

func (c *contact) heard() {
	at := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heardAt = at
}

func (c *contact) failed(err error) {
	at := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failedAt, c.lastError = at, err
}

// state returns the time of the last message, zero for none, and the last error since
// then.
func (c *contact) state() (heardAt time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastError != nil && !c.failedAt.Before(c.heardAt) {
		err = c.lastError
	}
	return c.heardAt, err
}

// wrap returns a transport that records each successful answer, and each piece of
// one: a quiet watch still gets a bookmark about every minute. It reports to refused
// the errors that informers retry without a report.
func (c *contact) wrap(next http.RoundTripper, refused func(error)) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(request)
		switch {
		case err != nil && utilnet.IsConnectionRefused(err):
			refused(err)
		case err != nil:
		case response.StatusCode == http.StatusTooManyRequests:
			refused(errors.New("the API server has too many requests (429)"))
		case response.StatusCode/100 == 2:
			c.heard()
			response.Body = &heardBody{ReadCloser: response.Body, contact: c}
		}
		return response, err
	})
}

// isRefusal reports whether wrap already reported the error.
func isRefusal(err error) bool {
	return utilnet.IsConnectionRefused(err) || apierrors.IsTooManyRequests(err)
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type heardBody struct {
	io.ReadCloser
	contact *contact
}

func (b *heardBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.contact.heard()
	}
	return n, err
}
