// Package load sends requests and measures how long the answers take.
package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Client posts bodies over a connection of its own, one after the other. It is
// for one goroutine at a time.
type Client interface {
	// Do posts body and writes the answer's body to answer. Any status but 200
	// is an error.
	Do(body []byte, answer io.Writer) error
	Close() error
}

// answerTimeout bounds one request: a server that hangs ends the run.
const answerTimeout = 30 * time.Second

// http1 writes HTTP/1.1 by hand: the load generator shares the machine with
// the servers, and net/http's client costs more than a fast server does.
type http1 struct {
	conn   net.Conn
	reader *bufio.Reader
	head   []byte // of every request, up to the length
	out    []byte
}

// DialHTTP1 connects to a server at address (host:port) in plain HTTP/1.1.
func DialHTTP1(ctx context.Context, address, path string) (Client, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	head := "POST " + path + " HTTP/1.1\r\nHost: " + address +
		"\r\nContent-Type: application/json\r\nAccept: application/json, */*\r\nContent-Length: "
	return &http1{conn: conn, reader: bufio.NewReaderSize(conn, 64<<10), head: []byte(head)}, nil
}

// Do implements Client.
func (c *http1) Do(body []byte, answer io.Writer) error {
	if err := c.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return fmt.Errorf("writing a request: %w", err)
	}
	response, err := http.ReadResponse(c.reader, nil) //nolint:bodyclose // finish closes it, in the other client too
	if err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	return finish(response, answer)
}

// Close implements Client.
func (c *http1) Close() error { return c.conn.Close() }

// secure is net/http's client.
type secure struct {
	version   int
	url       string
	transport *http.Transport
	client    *http.Client
}

// NewTLS posts to https://address/path, trusting roots, on a connection that no
// other client shares. Another version of HTTP than this (1 or 2) is an error.
func NewTLS(address, path string, roots *x509.CertPool, version int) Client {
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:  version == 2,
		DisableCompression: true,
	}
	return &secure{
		version:   version,
		url:       "https://" + address + path,
		transport: transport,
		client:    &http.Client{Transport: transport, Timeout: answerTimeout},
	}
}

// Do implements Client.
func (c *secure) Do(body []byte, answer io.Writer) error {
	response, err := c.client.Post(c.url, "application/json", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	if response.ProtoMajor != c.version {
		return errors.Join(fmt.Errorf("the server speaks %s, not HTTP/%d", response.Proto, c.version), response.Body.Close())
	}
	return finish(response, answer)
}

// Close implements Client.
func (c *secure) Close() error {
	c.transport.CloseIdleConnections()
	return nil
}

// finish reads the answer to its end, so that the connection can be used again.
func finish(response *http.Response, answer io.Writer) (err error) {
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500)) // for the message
		return fmt.Errorf("answered %s: %s", response.Status, text)
	}
	if _, err := io.Copy(answer, response.Body); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	return nil
}
