package identity

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// get asks for a URL that holds a secret.
func get(t *testing.T, client *http.Client, base string) (*answer, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/"+secretTokenInPath, http.NoBody)
	must(t, err)
	request.Header.Set("Authorization", "Bearer "+secretToken)
	return ask(client, request, 100)
}

const secretTokenInPath = "s3cr3t-t0ken%2Bwith%2Fodd=characters"

func TestHTTPClientAsksWhomItTrusts(t *testing.T) {
	noGoroutinesLeft(t)
	ours, theirs := newRemoteCA(t), newRemoteCA(t)
	dir := t.TempDir()
	path := func(name, content string) string {
		write(t, filepath.Join(dir, name), content)
		return filepath.Join(dir, name)
	}
	caFile, otherCAFile := path("ca.crt", ours.pem()), path("other.crt", theirs.pem())
	cert, key := ours.issue(t, "verdict", nil)
	certFile, keyFile := path("tls.crt", cert), path("tls.key", key)
	cert, key = theirs.issue(t, "verdict", nil)
	otherCertFile, otherKeyFile := path("othertls.crt", cert), path("othertls.key", key)
	serve := func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}
	plain, mutual := mutualServer(t, ours, nil, serve), mutualServer(t, ours, ours, serve)
	old := httptest.NewUnstartedServer(http.HandlerFunc(serve))
	old.Config.ErrorLog = quiet()
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10, Certificates: plain.TLS.Certificates}
	old.StartTLS()
	t.Cleanup(old.Close)

	for name, test := range map[string]struct {
		server  *httptest.Server
		options ConnectionOptions
		says    string
		fails   string
	}{
		"a server of ours":              {server: plain, options: ConnectionOptions{CAFile: caFile}},
		"one that nobody vouches for":   {server: plain, options: ConnectionOptions{}, fails: "unknown authority"},
		"one of another authority":      {server: plain, options: ConnectionOptions{CAFile: otherCAFile}, fails: "unknown authority"},
		"mutual TLS":                    {server: mutual, options: ConnectionOptions{CAFile: caFile, CertFile: certFile, KeyFile: keyFile}, says: "verdict"},
		"mutual TLS, no certificate":    {server: mutual, options: ConnectionOptions{CAFile: caFile}, fails: "certificate required"},
		"mutual TLS, other certificate": {server: mutual, options: ConnectionOptions{CAFile: caFile, CertFile: otherCertFile, KeyFile: otherKeyFile}, fails: "tls"},
		"too old a version of TLS":      {server: old, options: ConnectionOptions{CAFile: caFile}, fails: "protocol version"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, err := NewHTTPClient(test.options)
			must(t, err)
			defer client.CloseIdleConnections()
			got, err := get(t, client, test.server.URL)
			if test.fails != "" {
				isFault(t, err, test.fails)
				return
			}
			must(t, err)
			if got.status != http.StatusOK || string(got.body) != test.says {
				t.Errorf("status %d, %q", got.status, got.body)
			}
		})
	}
}

func TestHTTPClientRefusesFilesAtStart(t *testing.T) {
	ca := newRemoteCA(t)
	dir := t.TempDir()
	cert, key := ca.issue(t, "verdict", nil)
	expired, expiredKey := ca.issue(t, "verdict", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	for name, content := range map[string]string{"ca": ca.pem(), "cert": cert, "key": key, "expired": expired, "expiredkey": expiredKey, "empty": "", "text": "hello"} {
		write(t, filepath.Join(dir, name), content)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, test := range map[string]struct {
		options ConnectionOptions
		says    string
	}{
		"a certificate without a key":   {ConnectionOptions{CertFile: in("cert")}, "set both"},
		"a key without a certificate":   {ConnectionOptions{KeyFile: in("key")}, "set both"},
		"no such CA file":               {ConnectionOptions{CAFile: in("missing")}, "does not exist"},
		"a folder":                      {ConnectionOptions{CAFile: dir}, "not a regular file"},
		"an empty CA file":              {ConnectionOptions{CAFile: in("empty")}, "no PEM certificate"},
		"text for a CA file":            {ConnectionOptions{CAFile: in("text")}, "no PEM certificate"},
		"a key that is another's":       {ConnectionOptions{CertFile: in("cert"), KeyFile: in("expiredkey")}, "private key does not match"},
		"a certificate that expired":    {ConnectionOptions{CertFile: in("expired"), KeyFile: in("expiredkey")}, "expired"},
		"a proxy without a scheme":      {ConnectionOptions{ProxyURL: "proxy.example"}, "proxyURL"},
		"a proxy of an unknown scheme":  {ConnectionOptions{ProxyURL: "ftp://proxy.example"}, "http, https or socks5"},
		"a proxy with a bad password":   {ConnectionOptions{ProxyURL: "http://user:hunter2%zz@proxy.example:x"}, "proxyURL"},
		"errors begin with the subject": {ConnectionOptions{Subject: "identity source staff", CAFile: in("text")}, "identity source staff: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := NewHTTPClient(test.options)
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

func TestHTTPClientReadsFilesAgain(t *testing.T) {
	noGoroutinesLeft(t)
	first, second := newRemoteCA(t), newRemoteCA(t)
	dir := t.TempDir()
	caFile, certFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put := func(ca *remoteCA, name string) {
		cert, key := ca.issue(t, name, nil)
		write(t, certFile, cert)
		write(t, keyFile, key)
	}
	put(first, "verdict-1")
	write(t, caFile, first.pem())
	serve := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}
	of := map[*remoteCA]*httptest.Server{first: mutualServer(t, first, first, serve), second: mutualServer(t, second, second, serve)}
	client, files, err := NewHTTPClient(ConnectionOptions{CAFile: caFile, CertFile: certFile, KeyFile: keyFile})
	must(t, err)
	t.Cleanup(client.CloseIdleConnections)

	w := &watched{reloads: make(chan struct{}, 100), errors: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { files.Watch(ctx, func() { w.reloads <- struct{}{} }, func(err error) { w.errors <- err }) })
	t.Cleanup(func() { cancel(); running.Wait() })

	asks := func(ca *remoteCA, want string) {
		t.Helper()
		deadline := time.Now().Add(patience)
		for {
			got, err := get(t, client, of[ca].URL)
			if err == nil && string(got.body) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%v, %v, want an answer to %s", got, err, want)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	asks(first, "verdict-1")
	put(first, "verdict-2")
	asks(first, "verdict-2")

	write(t, caFile, "no PEM")
	w.errorAmongOthers(t, "ca.crt")
	asks(first, "verdict-2")
	put(second, "verdict-3")
	write(t, caFile, second.pem())
	asks(second, "verdict-3")
	if _, err := get(t, client, of[first].URL); err == nil {
		t.Error("an authority that was removed is trusted")
	}
}

// errorAmongOthers waits for an error with that text, whatever else comes first.
func (w *watched) errorAmongOthers(t *testing.T, part string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case <-w.reloads:
		case err := <-w.errors:
			if strings.Contains(err.Error(), part) {
				return
			}
		case <-deadline:
			t.Fatalf("no error with %q", part)
		}
	}
}

func TestWatchWithoutFilesWaits(t *testing.T) {
	_, files, err := NewHTTPClient(ConnectionOptions{})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	files.Watch(ctx, func() {}, func(error) {})
}

func TestHTTPClientKeepsToItself(t *testing.T) {
	noGoroutinesLeft(t)
	var elsewhere int
	other := tlsServer(t, func(http.ResponseWriter, *http.Request) { elsewhere++ })
	server := tlsServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("asked by %s, want HTTP/2", r.Proto)
		}
		if r.Header.Get("Cookie") != "" {
			t.Error("a cookie was kept")
		}
		if r.UserAgent() != "verdict" {
			t.Errorf("user agent %q", r.UserAgent())
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		http.Redirect(w, r, other.URL+"/?token="+secretToken, http.StatusTemporaryRedirect)
	})
	client := clientOf(t, server, 0)
	for range 2 {
		got, err := get(t, client, server.URL)
		must(t, err)
		if got.status != http.StatusTemporaryRedirect || elsewhere > 0 {
			t.Errorf("status %d, %d requests went elsewhere", got.status, elsewhere)
		}
		isFault(t, got.unexpected(), "307")
	}
}

// TestRequestFaultsHideWhatWasSentAndReceived has a server that writes back what
// it is sent, in all the places that errors of net/http quote.
func TestRequestFaultsHideWhatWasSentAndReceived(t *testing.T) {
	noGoroutinesLeft(t)
	for name, test := range map[string]struct {
		reply string
		says  string
	}{
		"closed":                    {"", "closed before"},
		"no HTTP":                   {secretToken + "\r\n\r\n", "not valid HTTP"},
		"a status that is none":     {"HTTP/1.1 " + secretToken + "\r\n\r\n", "not valid HTTP"},
		"a header that is none":     {"HTTP/1.1 200 OK\r\n" + secretToken + "\r\n\r\n", "not valid HTTP"},
		"a length that is none":     {"HTTP/1.1 200 OK\r\nContent-Length: " + secretToken + "\r\n\r\n", "not valid HTTP"},
		"a strange encoding":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + secretToken + "\r\n\r\n", "not valid HTTP"},
		"a chunk that is none":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + secretToken + "\r\n", "not valid HTTP"},
		"half an answer":            {"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n" + secretToken, "closed before"},
		"more than may be":          {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + strings.Repeat("x", 101), "more than 100 bytes"},
		"headers without an end":    {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n", "not valid HTTP"},
		"something that is no gzip": {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n" + strings.Repeat("hello ", 5), "not valid HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, err := NewHTTPClient(ConnectionOptions{})
			must(t, err)
			got, err := get(t, client, "http://"+rawServer(t, test.reply))
			if got == nil && isProvoked(err) == (name == "closed") {
				t.Errorf("%v counts wrongly", err)
			}
			if got != nil { // all of an answer that may be read
				err = got.checkLength()
				isRefused(t, err, test.says)
			} else {
				isFault(t, err, test.says)
			}
			client.CloseIdleConnections()
		})
	}
}

// rawServer answers one request on each connection with reply.
func rawServer(t *testing.T, reply string) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer connection.Close()
				if _, err := http.ReadRequest(bufio.NewReader(connection)); err == nil {
					_, _ = io.WriteString(connection, reply)
				}
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); serving.Wait() })
	return listener.Addr().String()
}

func TestHTTPClientDoesNotWait(t *testing.T) {
	noGoroutinesLeft(t)
	done := make(chan struct{})
	silent := tlsServer(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	slow := tlsServer(t, func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := io.WriteString(w, "x"); err != nil || r.Context().Err() != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})
	t.Cleanup(func() { close(done) })
	for name, server := range map[string]*httptest.Server{"a host that says nothing": silent, "one that never ends": slow} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(t, server, 100*time.Millisecond)
			began := time.Now()
			_, err := get(t, client, server.URL)
			isFault(t, err, "no answer in time")
			if took := time.Since(began); took > patience/2 {
				t.Errorf("it took %s", took)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		must(t, err)
		must(t, listener.Close())
		client, _, err := NewHTTPClient(ConnectionOptions{})
		must(t, err)
		_, err = get(t, client, "http://"+listener.Addr().String())
		isFault(t, err, "refused")
	})
}

func TestHTTPClientProxy(t *testing.T) {
	noGoroutinesLeft(t)
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusProxyAuthRequired)
		_, _ = io.WriteString(w, secretToken)
	}))
	t.Cleanup(proxy.Close)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	client, _, err := NewHTTPClient(ConnectionOptions{ProxyURL: proxy.URL})
	must(t, err)
	t.Cleanup(client.CloseIdleConnections)
	_, err = get(t, client, "https://idp.example")
	isFault(t, err, "the proxy refuses to connect, with status 407")
	if _, err := get(t, client, server.URL); err != nil {
		t.Errorf("a loopback host was not reached: %v", err)
	}
	if got := fmt.Sprint(asked); got != "[CONNECT idp.example:443]" {
		t.Errorf("the proxy was asked %s", got)
	}
}

func TestCheckURL(t *testing.T) {
	for text, says := range map[string]string{
		"https://idp.example":               "",
		"https://idp.example:8443/a/b?c=d":  "",
		"https://[2001:db8::1]/a":           "",
		"http://localhost:8080/a":           "",
		"http://LOCALHOST/a":                "",
		"http://127.0.0.1/a":                "",
		"http://127.8.9.1:1/a":              "",
		"http://[::1]:80/a":                 "",
		"http://[::ffff:127.0.0.1]/a":       "",
		"http://idp.example/a":              "plain http",
		"http://127.0.0.1.idp.example/a":    "plain http",
		"http://localhost.idp.example/a":    "plain http",
		"http://10.0.0.1/a":                 "plain http",
		"http://[::2]/a":                    "plain http",
		"http://2130706433/a":               "plain http",
		"ftp://idp.example":                 "use https",
		"//idp.example/a":                   "use https",
		"":                                  "not a URL",
		"idp.example":                       "not a URL",
		"idp.example:443":                   "not a URL",
		"/a":                                "not a URL",
		"https://":                          "not a URL",
		"https://:443":                      "not a URL",
		"https:idp.example":                 "not a URL",
		"https://idp.example:x":             "not a URL",
		"https://idp.example/%zz":           "not a URL",
		"https://idp.example/a\nb":          "not a URL",
		"https://user:hunter2@idp.example":  "user before the host",
		"https://hunter2@idp.example":       "user before the host",
		"http://localhost@idp.example":      "user before the host",
		"https://idp.example/a#b":           "fragment",
		"https://idp.example/a#":            "fragment",
		"https://hunter2:x@idp.example/%zz": "not a URL",
	} {
		t.Run(text, func(t *testing.T) {
			parsed, err := checkURL("issuer", text)
			switch {
			case says == "" && err != nil:
				t.Error(err)
			case says == "" && parsed.Hostname() == "":
				t.Error("no host")
			case says != "" && (err == nil || !strings.Contains(err.Error(), says) || !strings.HasPrefix(err.Error(), "issuer ")):
				t.Errorf("got %v, want %q", err, says)
			case err != nil && strings.Contains(err.Error(), "hunter2"):
				t.Errorf("the error holds a password: %v", err)
			}
		})
	}
}
