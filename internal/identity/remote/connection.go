package remote

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/certs"
	"github.com/verdict-dev/verdict/internal/filewatch"
)

// ConnectionOptions say how to reach the host that a source asks.
type ConnectionOptions struct {
	// Subject begins the errors about the files, such as "identity source staff".
	Subject string
	// CAFile has the authorities to trust, in PEM; "" for the system's.
	CAFile string
	// CertFile and KeyFile are a client certificate and its key, in PEM; both or
	// neither are given.
	CertFile, KeyFile string
	// ProxyURL is the proxy to use, by http, https or socks5; "" for what the
	// environment says (HTTPS_PROXY, NO_PROXY). Loopback hosts are asked without.
	ProxyURL string
	// Timeout bounds one request from its beginning to the end of the answer; 0
	// means 5 seconds.
	Timeout time.Duration
}

const (
	defaultConnectionTimeout = 5 * time.Second
	// maxConnections is how many there are to one host, and maxIdleConnections
	// how many of them wait for more to do. Over HTTP/2 one is enough.
	maxConnections     = 64
	maxIdleConnections = 16
	idleTimeout        = time.Minute
	maxHeaderBytes     = 64 << 10
	// pingAfter is how long a connection of HTTP/2 may be silent before it is
	// tried: one that was cut without notice would otherwise take every request
	// down with it.
	pingAfter = 15 * time.Second
)

// NewClient returns a client that verifies what it is connected to, from TLS
// 1.2 on. It follows no redirect, which could carry a token to another host: the
// redirect is the answer. It keeps no cookies.
//
// The files are read before it returns, and it is an error when they cannot be
// used. Their Watch has to run for changes to be seen; they are nil when the
// options name none. Nothing runs while there are no connections, and
// CloseIdleConnections of the client ends those that are not in use.
func NewClient(options ConnectionOptions) (*http.Client, *ConnectionFiles, error) {
	if options.Subject == "" {
		options.Subject = "connection"
	}
	if options.Timeout <= 0 {
		options.Timeout = defaultConnectionTimeout
	}
	if (options.CertFile == "") != (options.KeyFile == "") {
		return nil, nil, fmt.Errorf("%s: a client certificate needs certFile and keyFile: set both, or remove the one", options.Subject)
	}
	proxy, err := proxyOf(options.ProxyURL)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", options.Subject, err)
	}
	c := &ConnectionFiles{options: options, proxy: proxy}
	c.files = &filewatch.Files{Subject: options.Subject, Create: "create it", Limit: filewatch.MaxSmallFile, Take: c.take}
	for _, path := range []string{options.CAFile, options.CertFile, options.KeyFile} {
		if path != "" {
			c.files.Paths = append(c.files.Paths, path)
		}
	}
	client := &http.Client{
		Transport:     c,
		Timeout:       options.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if err := c.files.Load(); err != nil {
		return nil, nil, err
	}
	if len(c.files.Paths) == 0 {
		return client, nil, nil
	}
	return client, c, nil
}

// ConnectionFiles are the authorities and the client certificate that new
// connections are made with. Those that were made with earlier files end when
// they have nothing more to do.
type ConnectionFiles struct {
	options ConnectionOptions
	proxy   func(*http.Request) (*url.URL, error)
	files   *filewatch.Files
	current atomic.Pointer[http.Transport]
}

// Watch reads the files again when they change, until ctx is done: within a
// second where the file system reports events, else within three. Files that
// cannot be used never replace those in use: they are reported, and tried again.
//
// onReload is called when changed files are in use, onError once for each
// different cause that keeps them from it. Both are called from the calling
// goroutine; none is left on return. A nil ConnectionFiles only waits for ctx.
func (c *ConnectionFiles) Watch(ctx context.Context, onReload func(), onError func(error)) {
	if c == nil {
		<-ctx.Done()
		return
	}
	c.files.Watch(ctx, onReload, onError)
}

// RoundTrip implements http.RoundTripper.
func (c *ConnectionFiles) RoundTrip(request *http.Request) (*http.Response, error) {
	return c.current.Load().RoundTrip(request)
}

// CloseIdleConnections is what http.Client looks for.
func (c *ConnectionFiles) CloseIdleConnections() { c.current.Load().CloseIdleConnections() }

// take puts changed files in use.
func (c *ConnectionFiles) take(contents [][]byte) (changed bool, err error) {
	next := func() (content []byte) {
		content, contents = contents[0], contents[1:]
		return content
	}
	var authorities *x509.CertPool
	var certificates []tls.Certificate
	if c.options.CAFile != "" {
		pool, err := certs.ParseAuthorities(next())
		if err != nil {
			return false, fmt.Errorf("%s: %w", c.options.CAFile, err)
		}
		authorities = pool
	}
	if c.options.CertFile != "" {
		pair, err := certs.ParsePair(next(), next(), time.Now())
		if err != nil {
			return false, fmt.Errorf("%s with %s: %w", c.options.CertFile, c.options.KeyFile, err)
		}
		certificates = []tls.Certificate{pair}
	}
	if old := c.current.Swap(c.transport(authorities, certificates)); old != nil {
		old.CloseIdleConnections()
	}
	return true, nil
}

func (c *ConnectionFiles) transport(authorities *x509.CertPool, certificates []tls.Certificate) *http.Transport {
	timeout := c.options.Timeout
	return &http.Transport{
		Proxy:                 c.proxy,
		DialContext:           (&net.Dialer{Timeout: timeout}).DialContext,
		TLSHandshakeTimeout:   timeout,
		ResponseHeaderTimeout: timeout,
		TLSClientConfig: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			RootCAs:      authorities,
			Certificates: certificates,
		},
		ForceAttemptHTTP2:      true, // setting TLSClientConfig or DialContext would turn it off
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: timeout},
		MaxConnsPerHost:        maxConnections,
		MaxIdleConns:           maxIdleConnections,
		MaxIdleConnsPerHost:    maxIdleConnections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes,
		// Otherwise the error would be what the proxy wrote.
		OnProxyConnectResponse: func(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode != http.StatusOK {
				return &reported{fmt.Sprintf("the proxy refuses to connect, with status %d", answer.StatusCode)}
			}
			return nil
		},
	}
}

// proxyOf says which proxy a request goes through. A loopback host is reached
// without: it may be asked without TLS, which no other host may read.
func proxyOf(text string) (func(*http.Request) (*url.URL, error), error) {
	proxy := http.ProxyFromEnvironment
	if text != "" {
		parsed, err := url.Parse(text)
		if err != nil || parsed.Host == "" {
			return nil, errors.New("proxyURL is not a URL with a host: write it like http://proxy.example:3128") // it may hold a password
		}
		switch parsed.Scheme {
		case "http", "https", "socks5", "socks5h":
		default:
			return nil, fmt.Errorf("proxyURL begins with %s: use http, https or socks5", parsed.Scheme)
		}
		proxy = http.ProxyURL(parsed)
	}
	return func(request *http.Request) (*url.URL, error) {
		if IsLoopback(request.URL.Hostname()) {
			return nil, nil
		}
		return proxy(request)
	}, nil
}

// CheckURL parses the URL of a host that is sent secrets: https, or http when
// the host is a loopback one, and no user, password or fragment. The error calls
// it field, and quotes nothing that could be a password.
func CheckURL(field, text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	switch {
	case err != nil, parsed.Opaque != "", parsed.Hostname() == "":
		return nil, fmt.Errorf("%s is not a URL with a host: write it like https://host.example/path", field)
	case parsed.User != nil:
		return nil, fmt.Errorf("%s has a user before the host: remove it", field)
	case parsed.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, fmt.Errorf("%s has a fragment, which is never sent: remove what begins with #", field)
	case parsed.Scheme == "https":
	case parsed.Scheme != "http":
		return nil, fmt.Errorf("%s begins with %s: use https", field, parsed.Scheme)
	case !IsLoopback(parsed.Hostname()):
		return nil, fmt.Errorf("%s is plain http, so that tokens would cross the network readable by anyone: use https (http only to a loopback host such as 127.0.0.1), not http to %s", field, parsed.Host)
	}
	return parsed, nil
}

// IsLoopback reports whether host is this machine: localhost, 127.0.0.0/8 or ::1.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.Unmap().IsLoopback()
}

// reported is an error whose text is ours alone.
type reported struct{ text string }

// Error implements error.
func (e *reported) Error() string { return e.text }

// requestFault is the error of one request: it says what was asked of whom, and
// why there is no answer. The client's own errors hold the URL, which may hold a
// token, and some quote what was received; so only those are repeated whose text
// holds neither.
func requestFault(request *http.Request, err error) error {
	return fmt.Errorf("%s %s: %w", request.Method, request.URL.Host, CauseOf(err))
}

// CauseOf is what of an error of net/http may be shown: no URL, which may hold a
// token, and nothing that was received.
func CauseOf(err error) error {
	if own, ok := errors.AsType[*reported](err); ok {
		return own
	}
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if IsTimeout(err) {
		return fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	}
	// Before net.OpError, which holds some of them and the addresses besides.
	if certificate, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return certificate
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return alert
	}
	if record, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return errors.New(record.Msg)
	}
	if name, ok := errors.AsType[*net.DNSError](err); ok {
		return name
	}
	if operation, ok := errors.AsType[*net.OpError](err); ok {
		// Without the local port, which differs each time.
		return &net.OpError{Op: operation.Op, Net: operation.Net, Addr: operation.Addr, Err: operation.Err}
	}
	switch {
	case errors.Is(err, http.ErrSchemeMismatch):
		return http.ErrSchemeMismatch
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed before the answer was complete")
	}
	return errors.New("the answer is not valid HTTP, or the connection broke")
}
