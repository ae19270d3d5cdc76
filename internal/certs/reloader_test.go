package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// serve answers HTTP with the names of the caller, and gives the address.
func serve(t *testing.T, config *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	server := &http.Server{
		TLSConfig: config,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(r.TLS.PeerCertificates) > 0 {
				fmt.Fprint(w, PeerNames(r.TLS.PeerCertificates[0]))
			}
		}),
		ReadHeaderTimeout: patience,
		// Refused handshakes are what some tests are about.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.ServeTLS(listener, "", ""); err != http.ErrServerClosed {
			t.Errorf("serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		server.Close()
		<-done
	})
	return listener.Addr().String()
}

// handshake connects, and exchanges a request: in TLS 1.3 a client learns only
// from an answer that its certificate was refused.
func handshake(address string, config *tls.Config) (tls.ConnectionState, error) {
	dialer := &net.Dialer{Timeout: patience}
	connection, err := tls.DialWithDialer(dialer, "tcp", address, config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := io.WriteString(connection, "GET / HTTP/1.1\r\nHost: verdict\r\nConnection: close\r\n\r\n"); err != nil {
		return tls.ConnectionState{}, err
	}
	if _, err := io.ReadAll(connection); err != nil {
		return tls.ConnectionState{}, err
	}
	return connection.ConnectionState(), nil
}

// served is the name of the certificate that a new connection sees.
func served(t *testing.T, address string, roots *authority) string {
	t.Helper()
	state, err := handshake(address, &tls.Config{RootCAs: roots.pool()})
	check(t, err)
	return state.PeerCertificates[0].Subject.CommonName
}

// observed passes on what a Reloader reports. It holds many reports, since a
// failure is reported at each poll.
type observed chan error

func (o observed) report(err error) {
	select {
	case o <- err:
	default:
	}
}

func (o observed) next(t *testing.T) error {
	t.Helper()
	select {
	case err := <-o:
		return err
	case <-time.After(patience):
		t.Fatal("nothing was reported")
		return nil
	}
}

// success waits for a reload, passing over failures from before it.
func (o observed) success(t *testing.T) {
	t.Helper()
	for err := o.next(t); err != nil; {
		err = o.next(t)
	}
}

// failure waits for an error with all the parts, passing over those of a pair
// that was read while half of it was written.
func (o observed) failure(t *testing.T, parts ...string) {
	t.Helper()
	var last error
	deadline := time.After(patience)
	for {
		select {
		case err := <-o:
			if err == nil {
				t.Fatalf("success was reported, want an error with %q", parts)
			}
			last = err
		case <-deadline:
			t.Fatalf("the last error is %v, want one with %q", last, parts)
		}
		missing := func(part string) bool { return !strings.Contains(last.Error(), part) }
		if !slices.ContainsFunc(parts, missing) {
			return
		}
	}
}

// run starts a Reloader and stops it with the test.
func run(t *testing.T, files Files, options Options) (*Reloader, observed) {
	t.Helper()
	reports := make(observed, 1024)
	options.Observe = reports.report
	reloader, err := NewReloader(files, options)
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		reloader.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return reloader, reports
}

func filesIn(dir string) Files {
	return Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
}

func putPair(t *testing.T, files Files, pair issued) {
	t.Helper()
	put(t, files.Key, pair.key)
	put(t, files.Cert, pair.cert)
}

func TestReloaderRotatesUnderLoad(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := filesIn(t.TempDir())
	putPair(t, files, ca.issue(t, "0", nil))
	reloader, reports := run(t, files, Options{})
	address := serve(t, reloader.tlsConfig())

	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var handshakes atomic.Int64
	for range 4 {
		group.Go(func() {
			for ctx.Err() == nil {
				if _, err := handshake(address, &tls.Config{RootCAs: ca.pool()}); err != nil {
					t.Errorf("a handshake during rotation: %v", err)
					return
				}
				handshakes.Add(1)
			}
		})
	}
	for i := range 5 {
		name := fmt.Sprint(i + 1)
		putPair(t, files, ca.issue(t, name, nil))
		reports.success(t)
		if got := served(t, address, ca); got != name {
			t.Errorf("certificate %s is served, want %s", got, name)
		}
	}
	stop()
	group.Wait()
	if handshakes.Load() == 0 {
		t.Error("there was no load")
	}
}

func TestReloaderKeepsAGoodPair(t *testing.T) {
	ca := newAuthority(t, "ca")
	for _, test := range []struct {
		name  string
		spoil func(t *testing.T, files Files)
		want  string
	}{
		{"another key", func(t *testing.T, files Files) { put(t, files.Key, ca.issue(t, "x", nil).key) }, "does not match"},
		{"another certificate", func(t *testing.T, files Files) { put(t, files.Cert, ca.issue(t, "x", nil).cert) }, "does not match"},
		{"an empty certificate", func(t *testing.T, files Files) { put(t, files.Cert, nil) }, "tls.crt"},
		{"a removed key", func(t *testing.T, files Files) { check(t, os.Remove(files.Key)) }, "tls.key"},
		{"an expired pair", func(t *testing.T, files Files) {
			putPair(t, files, ca.issue(t, "x", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }))
		}, "expired"},
		{"a pair of the future", func(t *testing.T, files Files) {
			putPair(t, files, ca.issue(t, "x", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }))
		}, "not valid before"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			files := filesIn(t.TempDir())
			good := ca.issue(t, "good", nil)
			putPair(t, files, good)
			reloader, reports := run(t, files, Options{})
			address := serve(t, reloader.tlsConfig())

			test.spoil(t, files)
			reports.failure(t, test.want, "stay in use")
			if got := served(t, address, ca); got != "good" {
				t.Errorf("certificate %s is served, want the good one", got)
			}
			// What was there before comes back: the observer learns that all is well.
			putPair(t, files, good)
			reports.success(t)
			// And watching goes on.
			putPair(t, files, ca.issue(t, "better", nil))
			reports.success(t)
			if got := served(t, address, ca); got != "better" {
				t.Errorf("certificate %s is served, want the new one", got)
			}
		})
	}
}

// A Secret in a pod: tls.crt -> ..data/tls.crt, ..data -> ..1, and an update
// replaces ..data.
func TestReloaderSeesAMountedSecretChange(t *testing.T) {
	ca := newAuthority(t, "ca")
	dir := t.TempDir()
	mount := func(version string) {
		t.Helper()
		check(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		putPair(t, filesIn(filepath.Join(dir, version)), ca.issue(t, version, nil))
		put(t, filepath.Join(dir, version, "ca.crt"), ca.PEM)
		check(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
		check(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	mount("..1")
	for _, name := range []string{"tls.crt", "tls.key"} {
		check(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
	}
	reloader, reports := run(t, filesIn(dir), Options{})
	address := serve(t, reloader.tlsConfig())
	for _, version := range []string{"..2", "..3"} {
		mount(version)
		reports.success(t)
		if got := served(t, address, ca); got != version {
			t.Errorf("certificate %s is served, want %s", got, version)
		}
	}
	check(t, os.RemoveAll(filepath.Join(dir, "..1")))
}

// What the watch cannot see is found by the poll, which mends the watch too.
func TestReloaderPolls(t *testing.T) {
	ca := newAuthority(t, "ca")
	for _, test := range []struct {
		name string
		// replace puts next in the place of current.
		replace func(t *testing.T, parent, current, next string)
	}{
		{"a symlink to the directory", func(t *testing.T, parent, current, next string) {
			link := filepath.Join(parent, "link")
			check(t, os.Symlink(next, link))
			check(t, os.Rename(link, current))
		}},
		{"the directory", func(t *testing.T, _, current, next string) {
			check(t, os.Remove(current))
			check(t, os.Rename(next, current))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			parent := t.TempDir()
			current := filepath.Join(parent, "current")
			prepare := func(name string) string {
				dir := filepath.Join(parent, name)
				check(t, os.Mkdir(dir, 0o700))
				putPair(t, filesIn(dir), ca.issue(t, name, nil))
				return dir
			}
			check(t, os.Symlink(prepare("first"), current))
			reloader, reports := run(t, filesIn(current), Options{Poll: 20 * time.Millisecond})
			address := serve(t, reloader.tlsConfig())

			test.replace(t, parent, current, prepare("second"))
			reports.success(t)
			if got := served(t, address, ca); got != "second" {
				t.Errorf("certificate %s is served, want the second", got)
			}
		})
	}
}

func TestReloaderTriesABadPairAgainAtThePoll(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := filesIn(t.TempDir())
	putPair(t, files, ca.issue(t, "now", nil))
	var ahead atomic.Int64
	reloader, reports := run(t, files, Options{
		Poll: 20 * time.Millisecond,
		Now:  func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
	})
	address := serve(t, reloader.tlsConfig())

	putPair(t, files, ca.issue(t, "later", func(c *x509.Certificate) {
		c.NotBefore = time.Now().Add(20 * time.Minute)
	}))
	for range 3 {
		reports.failure(t, "not valid")
	}
	ahead.Store(int64(30 * time.Minute))
	reports.success(t)
	later := time.Now().Add(30 * time.Minute)
	state, err := handshake(address, &tls.Config{RootCAs: ca.pool(), Time: func() time.Time { return later }})
	check(t, err)
	if got := state.PeerCertificates[0].Subject.CommonName; got != "later" {
		t.Errorf("certificate %s is served, want the later one", got)
	}
}

func TestReloaderIsSilentWithoutAChange(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := filesIn(t.TempDir())
	pair := ca.issue(t, "same", nil)
	putPair(t, files, pair)
	_, reports := run(t, files, Options{Poll: 10 * time.Millisecond})
	putPair(t, files, pair)
	put(t, filepath.Join(filepath.Dir(files.Cert), "unrelated"), []byte("x"))
	// The reload that follows is the first that is told.
	putPair(t, files, ca.issue(t, "new", nil))
	reports.success(t)
	if extra := len(reports); extra > 0 {
		t.Errorf("%d more reports", extra)
	}
}

func TestReloaderClientCA(t *testing.T) {
	serverCA, oldCA, newCA := newAuthority(t, "server"), newAuthority(t, "old"), newAuthority(t, "new")
	dir := t.TempDir()
	files := filesIn(dir)
	files.ClientCA = filepath.Join(dir, "clients.crt")
	putPair(t, files, serverCA.issue(t, "server", nil))
	put(t, files.ClientCA, oldCA.PEM)
	reloader, reports := run(t, files, Options{})
	address := serve(t, reloader.tlsConfig())

	anonymous := &tls.Config{RootCAs: serverCA.pool()}
	with := func(ca *authority, change func(*x509.Certificate)) *tls.Config {
		return &tls.Config{
			RootCAs: serverCA.pool(),
			// The client sends its certificate even when the server's list of
			// authorities does not have its own.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				pair := ca.issue(t, "client", change).pair(t)
				return &pair, nil
			},
		}
	}
	expect := func(name string, config *tls.Config, want string) {
		t.Helper()
		_, err := handshake(address, config)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}

	expect("no certificate", anonymous, "certificate required")
	tls12 := anonymous.Clone()
	tls12.MaxVersion = tls.VersionTLS12
	expect("no certificate, TLS 1.2", tls12, "tls:")
	expect("known authority", with(oldCA, nil), "")
	expect("unknown authority", with(newCA, nil), "unknown certificate authority")
	expect("expired", with(oldCA, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), "expired")
	expect("for servers only", with(oldCA, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}), "tls:")

	put(t, files.ClientCA, []byte("not PEM"))
	reports.failure(t, files.ClientCA, "holds no PEM certificate")
	expect("known authority beside a bad bundle", with(oldCA, nil), "")
	expect("no certificate beside a bad bundle", anonymous, "certificate required")

	// A bad bundle does not hold up the renewal of the certificate.
	putPair(t, files, serverCA.issue(t, "renewed", nil))
	for renewed := false; !renewed; {
		reports.failure(t, files.ClientCA)
		state, err := handshake(address, with(oldCA, nil))
		check(t, err)
		renewed = state.PeerCertificates[0].Subject.CommonName == "renewed"
	}

	put(t, files.ClientCA, append(bytes.Clone(oldCA.PEM), newCA.PEM...))
	reports.success(t)
	expect("old authority of both", with(oldCA, nil), "")
	expect("new authority of both", with(newCA, nil), "")

	put(t, files.ClientCA, newCA.PEM)
	reports.success(t)
	expect("removed authority", with(oldCA, nil), "unknown certificate authority")
	expect("new authority", with(newCA, nil), "")
}

// A ticket from before would let a caller in whose authority was removed.
func TestReloaderDoesNotResumeSessions(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := filesIn(t.TempDir())
	putPair(t, files, ca.issue(t, "server", nil))
	reloader, err := NewReloader(files, Options{})
	check(t, err)
	address := serve(t, reloader.tlsConfig())
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		client := &tls.Config{RootCAs: ca.pool(), MaxVersion: version, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for i := range 3 {
			state, err := handshake(address, client)
			check(t, err)
			if state.DidResume {
				t.Errorf("%s: connection %d resumed a session", tls.VersionName(version), i)
			}
		}
	}
}

func TestReloaderVersions(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := filesIn(t.TempDir())
	putPair(t, files, ca.issue(t, "server", nil))
	reloader, err := NewReloader(files, Options{})
	check(t, err)
	address := serve(t, reloader.tlsConfig())
	for _, test := range []struct {
		version uint16
		want    bool
	}{
		{tls.VersionTLS10, false},
		{tls.VersionTLS11, false},
		{tls.VersionTLS12, true},
		{tls.VersionTLS13, true},
	} {
		t.Run(tls.VersionName(test.version), func(t *testing.T) {
			_, err := handshake(address, &tls.Config{RootCAs: ca.pool(), MinVersion: test.version, MaxVersion: test.version})
			if test.want && err != nil {
				t.Error(err)
			}
			if !test.want && (err == nil || !strings.Contains(err.Error(), "protocol version not supported")) {
				t.Errorf("error %v, want a refusal of the version", err)
			}
		})
	}
}

func TestReloaderProtocols(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := filesIn(t.TempDir())
	putPair(t, files, ca.issue(t, "server", nil))
	files.ClientCA = filepath.Join(filepath.Dir(files.Cert), "clients.crt")
	put(t, files.ClientCA, ca.PEM)
	reloader, err := NewReloader(files, Options{})
	check(t, err)
	address := serve(t, reloader.tlsConfig())
	for _, test := range []struct {
		name  string
		http2 bool
		want  string
	}{
		{"HTTP/2", true, "HTTP/2.0"},
		{"HTTP/1.1", false, "HTTP/1.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			transport := &http.Transport{
				ForceAttemptHTTP2: test.http2,
				TLSClientConfig: &tls.Config{
					RootCAs:      ca.pool(),
					Certificates: []tls.Certificate{ca.issue(t, "kube-apiserver", nil).pair(t)},
				},
			}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: patience}
			response, err := client.Get("https://" + address)
			check(t, err)
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			check(t, err)
			if response.Proto != test.want {
				t.Errorf("protocol %s, want %s", response.Proto, test.want)
			}
			if string(body) != "[kube-apiserver]" {
				t.Errorf("the caller's names are %s", body)
			}
		})
	}
}

func TestNewReloaderRefuses(t *testing.T) {
	ca := newAuthority(t, "ca")
	for _, test := range []struct {
		name   string
		change func(t *testing.T, files Files)
		want   string
	}{
		{"no certificate", func(t *testing.T, files Files) { check(t, os.Remove(files.Cert)) }, "tls.crt"},
		{"no key", func(t *testing.T, files Files) { check(t, os.Remove(files.Key)) }, "tls.key"},
		{"no client CA", func(t *testing.T, files Files) { check(t, os.Remove(files.ClientCA)) }, "ca.crt"},
		{"empty certificate and key", func(t *testing.T, files Files) { putPair(t, files, issued{}) }, "tls.crt"},
		{"empty client CA", func(t *testing.T, files Files) { put(t, files.ClientCA, nil) }, "holds no PEM certificate"},
		{"another key", func(t *testing.T, files Files) { put(t, files.Key, ca.issue(t, "x", nil).key) }, "does not match"},
		{"expired", func(t *testing.T, files Files) {
			putPair(t, files, ca.issue(t, "x", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }))
		}, "expired"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			files := filesIn(dir)
			files.ClientCA = filepath.Join(dir, "ca.crt")
			putPair(t, files, ca.issue(t, "server", nil))
			put(t, files.ClientCA, ca.PEM)
			if _, err := NewReloader(files, Options{}); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			test.change(t, files)
			if _, err := NewReloader(files, Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// Between NewReloader and Run files may change too.
func TestRunBeginsWithAReload(t *testing.T) {
	ca := newAuthority(t, "ca")
	files := filesIn(t.TempDir())
	putPair(t, files, ca.issue(t, "first", nil))
	ctx, cancel := context.WithCancel(t.Context())
	var reports []error
	reloader, err := NewReloader(files, Options{Observe: func(err error) {
		reports = append(reports, err)
		cancel()
	}})
	check(t, err)
	putPair(t, files, ca.issue(t, "second", nil))
	reloader.Run(ctx)
	if len(reports) != 1 || reports[0] != nil {
		t.Errorf("reports %v, want one success", reports)
	}
}
