package remote

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
)

// get asks for a URL that holds a secret.
func get(t *testing.T, client *http.Client, base string) (*Answer, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/"+secretTokenInPath, http.NoBody)
	identitytest.Must(t, err)
	request.Header.Set("Authorization", "Bearer "+identitytest.SecretToken)
	return Ask(client, request, 100)
}

const secretTokenInPath = "s3cr3t-t0ken%2Bwith%2Fodd=characters"

func TestHTTPClientAsksWhomItTrusts(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	ours, theirs := identitytest.NewCA(t), identitytest.NewCA(t)
	dir := t.TempDir()
	path := func(name, content string) string {
		identitytest.Write(t, filepath.Join(dir, name), content)
		return filepath.Join(dir, name)
	}
	caFile, otherCAFile := path("ca.crt", ours.PEM()), path("other.crt", theirs.PEM())
	cert, key := ours.Issue(t, "verdict", nil)
	certFile, keyFile := path("tls.crt", cert), path("tls.key", key)
	cert, key = theirs.Issue(t, "verdict", nil)
	otherCertFile, otherKeyFile := path("othertls.crt", cert), path("othertls.key", key)
	serve := func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
		}
	}
	plain, mutual := identitytest.MutualServer(t, ours, nil, serve), identitytest.MutualServer(t, ours, ours, serve)
	old := httptest.NewUnstartedServer(http.HandlerFunc(serve))
	old.Config.ErrorLog = identitytest.Quiet()
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
			client, _, err := NewClient(test.options)
			identitytest.Must(t, err)
			defer client.CloseIdleConnections()
			got, err := get(t, client, test.server.URL)
			if test.fails != "" {
				identitytest.IsFault(t, err, test.fails)
				return
			}
			identitytest.Must(t, err)
			if got.Status != http.StatusOK || string(got.Body) != test.says {
				t.Errorf("status %d, %q", got.Status, got.Body)
			}
		})
	}
}

func TestHTTPClientRefusesFilesAtStart(t *testing.T) {
	ca := identitytest.NewCA(t)
	dir := t.TempDir()
	cert, key := ca.Issue(t, "verdict", nil)
	expired, expiredKey := ca.Issue(t, "verdict", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	for name, content := range map[string]string{"ca": ca.PEM(), "cert": cert, "key": key, "expired": expired, "expiredkey": expiredKey, "empty": "", "text": "hello"} {
		identitytest.Write(t, filepath.Join(dir, name), content)
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
			_, _, err := NewClient(test.options)
			if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, test.says)
			}
		})
	}
}

func TestHTTPClientReadsFilesAgain(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	first, second := identitytest.NewCA(t), identitytest.NewCA(t)
	dir := t.TempDir()
	caFile, certFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	put := func(ca *identitytest.CA, name string) {
		cert, key := ca.Issue(t, name, nil)
		identitytest.Write(t, certFile, cert)
		identitytest.Write(t, keyFile, key)
	}
	put(first, "verdict-1")
	identitytest.Write(t, caFile, first.PEM())
	serve := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}
	of := map[*identitytest.CA]*httptest.Server{first: identitytest.MutualServer(t, first, first, serve), second: identitytest.MutualServer(t, second, second, serve)}
	client, files, err := NewClient(ConnectionOptions{CAFile: caFile, CertFile: certFile, KeyFile: keyFile})
	identitytest.Must(t, err)
	t.Cleanup(client.CloseIdleConnections)

	w := &identitytest.Watched{Reloads: make(chan struct{}, 100), Errors: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { files.Watch(ctx, func() { w.Reloads <- struct{}{} }, func(err error) { w.Errors <- err }) })
	t.Cleanup(func() { cancel(); running.Wait() })

	asks := func(ca *identitytest.CA, want string) {
		t.Helper()
		deadline := time.Now().Add(identitytest.Patience)
		for {
			got, err := get(t, client, of[ca].URL)
			if err == nil && string(got.Body) == want {
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

	identitytest.Write(t, caFile, "no PEM")
	w.ErrorAmongOthers(t, "ca.crt")
	asks(first, "verdict-2")
	put(second, "verdict-3")
	identitytest.Write(t, caFile, second.PEM())
	asks(second, "verdict-3")
	if _, err := get(t, client, of[first].URL); err == nil {
		t.Error("an authority that was removed is trusted")
	}
}

func TestWatchWithoutFilesWaits(t *testing.T) {
	_, files, err := NewClient(ConnectionOptions{})
	identitytest.Must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	files.Watch(ctx, func() {}, func(error) {})
}

func TestHTTPClientKeepsToItself(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	var elsewhere int
	other := identitytest.TLSServer(t, func(http.ResponseWriter, *http.Request) { elsewhere++ })
	server := identitytest.TLSServer(t, func(w http.ResponseWriter, r *http.Request) {
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
		http.Redirect(w, r, other.URL+"/?token="+identitytest.SecretToken, http.StatusTemporaryRedirect)
	})
	client := clientOf(t, server, 0)
	for range 2 {
		got, err := get(t, client, server.URL)
		identitytest.Must(t, err)
		if got.Status != http.StatusTemporaryRedirect || elsewhere > 0 {
			t.Errorf("status %d, %d requests went elsewhere", got.Status, elsewhere)
		}
		identitytest.IsFault(t, got.Unexpected(), "307")
	}
}

// TestRequestFaultsHideWhatWasSentAndReceived has a server that writes back what
// it is sent, in all the places that errors of net/http quote.
func TestRequestFaultsHideWhatWasSentAndReceived(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	for name, test := range map[string]struct {
		reply string
		says  string
	}{
		"closed":                    {"", "closed before"},
		"no HTTP":                   {identitytest.SecretToken + "\r\n\r\n", "not valid HTTP"},
		"a status that is none":     {"HTTP/1.1 " + identitytest.SecretToken + "\r\n\r\n", "not valid HTTP"},
		"a header that is none":     {"HTTP/1.1 200 OK\r\n" + identitytest.SecretToken + "\r\n\r\n", "not valid HTTP"},
		"a length that is none":     {"HTTP/1.1 200 OK\r\nContent-Length: " + identitytest.SecretToken + "\r\n\r\n", "not valid HTTP"},
		"a strange encoding":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + identitytest.SecretToken + "\r\n\r\n", "not valid HTTP"},
		"a chunk that is none":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + identitytest.SecretToken + "\r\n", "not valid HTTP"},
		"half an answer":            {"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n" + identitytest.SecretToken, "closed before"},
		"more than may be":          {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + strings.Repeat("x", 101), "more than 100 bytes"},
		"headers without an end":    {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n", "not valid HTTP"},
		"something that is no gzip": {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 30\r\n\r\n" + strings.Repeat("hello ", 5), "not valid HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			client, _, err := NewClient(ConnectionOptions{})
			identitytest.Must(t, err)
			got, err := get(t, client, "http://"+rawServer(t, test.reply))
			if got == nil && IsProvoked(err) == (name == "closed") {
				t.Errorf("%v counts wrongly", err)
			}
			if got != nil { // all of an answer that may be read
				err = got.CheckLength()
				identitytest.IsRefused(t, err, test.says)
			} else {
				identitytest.IsFault(t, err, test.says)
			}
			client.CloseIdleConnections()
		})
	}
}

// rawServer answers one request on each connection with reply.
func rawServer(t *testing.T, reply string) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	identitytest.Must(t, err)
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
	identitytest.NoGoroutinesLeft(t)
	done := make(chan struct{})
	silent := identitytest.TLSServer(t, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	slow := identitytest.TLSServer(t, func(w http.ResponseWriter, r *http.Request) {
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
			identitytest.IsFault(t, err, "no answer in time")
			if took := time.Since(began); took > identitytest.Patience/2 {
				t.Errorf("it took %s", took)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		identitytest.Must(t, err)
		identitytest.Must(t, listener.Close())
		client, _, err := NewClient(ConnectionOptions{})
		identitytest.Must(t, err)
		_, err = get(t, client, "http://"+listener.Addr().String())
		identitytest.IsFault(t, err, "refused")
	})
}

func TestHTTPClientProxy(t *testing.T) {
	identitytest.NoGoroutinesLeft(t)
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusProxyAuthRequired)
		_, _ = io.WriteString(w, identitytest.SecretToken)
	}))
	t.Cleanup(proxy.Close)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	client, _, err := NewClient(ConnectionOptions{ProxyURL: proxy.URL})
	identitytest.Must(t, err)
	t.Cleanup(client.CloseIdleConnections)
	_, err = get(t, client, "https://idp.example")
	identitytest.IsFault(t, err, "the proxy refuses to connect, with status 407")
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
			parsed, err := CheckURL("issuer", text)
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
