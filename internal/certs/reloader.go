package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/filewatch"
)

const (
	// defaultPoll is how often the files are read without any sign of a change: a
	// certificate that was not valid yet may be by then.
	defaultPoll = time.Minute
	// maxFileBytes is far above any certificate or bundle of authorities.
	maxFileBytes = 16 << 20
)

// Files names the PEM files of a TLS server.
type Files struct {
	// Cert holds the server's certificate, then its intermediates.
	Cert string
	// Key holds the private key of Cert, not encrypted.
	Key string
	// ClientCA holds the authorities that sign callers' certificates. "" asks
	// callers for none.
	ClientCA string
}

// Options of a Reloader; the zero value is usable.
type Options struct {
	// Observe is told of each reload: nil when changed files are in use now, or
	// a bad file is good again without a change, else why files are not in use.
	// It is called from Run, one call at a time, and must not block for long.
	Observe func(error)
	// Poll is how often the files are read without any sign of a change. 0 means
	// every minute.
	Poll time.Duration
	// Now is the clock that certificates' validity is compared with, also in
	// handshakes. Nil means time.Now.
	Now func() time.Time
}

// Reloader serves a certificate, and verifies callers, from files that may
// change while it does. Files that cannot be used never replace those in use:
// they are reported, and tried again on the next change and the next poll.
//
// The certificate with its key and the client CA bundle are replaced
// independently, so that a bad bundle does not hold up a renewal. Connections
// keep what they were made with, but those of a Server whose authority is gone.
type Reloader struct {
	files   Files
	observe func(error)
	poll    time.Duration
	now     func() time.Time

	// current is what new connections use. It is replaced, never changed.
	current atomic.Pointer[tls.Config]
	// vouching is who vouches for callers by current; nil without a client CA.
	vouching atomic.Pointer[authorities]
	// trustChanged is told when that changes; nil without a Server.
	trustChanged atomic.Pointer[func(authorities)]

	// What follows belongs to NewReloader, then to Run.

	// pair is the certificate with its key, bundle the client CA; nil without one.
	pair, bundle *filewatch.Files
	// looked is when the files were last read.
	looked time.Time
	// failing is whether that found something unusable.
	failing bool
}

// NewReloader reads the files a first time; it is an error when they cannot be
// used. Run watches them.
func NewReloader(files Files, options Options) (*Reloader, error) {
	r := &Reloader{
		files:   files,
		observe: options.Observe,
		poll:    options.Poll,
		now:     options.Now,
	}
	if r.observe == nil {
		r.observe = func(error) {}
	}
	if r.poll <= 0 {
		r.poll = defaultPoll
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.current.Store(r.newConfig())
	r.pair = r.watched(r.takePair, files.Cert, files.Key)
	if files.ClientCA != "" {
		r.bundle = r.watched(r.takeBundle, files.ClientCA)
	}
	if _, err := r.load(nil); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Reloader) watched(take func(contents [][]byte) (bool, error), paths ...string) *filewatch.Files {
	return &filewatch.Files{Paths: paths, Create: "create it", Limit: maxFileBytes, Take: take}
}

// tlsConfig gives the configuration for a listener. Each handshake uses the
// files that were last found good. HTTP/2 and HTTP/1.1 are offered, from TLS 1.2
// on; with a client CA a caller without a certificate fails the handshake.
func (r *Reloader) tlsConfig() *tls.Config {
	// The first configuration decides nothing, since a handshake gets its own;
	// it is filled for code that looks at it, such as http.Server for "h2".
	config := r.current.Load().Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return r.current.Load(), nil
	}
	return config
}

// Run watches the files until ctx is done, and returns then. It is called once.
func (r *Reloader) Run(ctx context.Context) {
	// It begins with a look, which sees what changed since NewReloader.
	filewatch.Run(ctx, r, filewatch.Options{
		Poll:     min(r.poll, filewatch.DefaultPoll),
		Degraded: func(err error) { r.observe(fmt.Errorf("watch certificates: %w", err)) },
	})
}

// Look implements filewatch.Subject: it reads the files and tells the observer
// when there is something to tell.
func (r *Reloader) Look(t *filewatch.Targets) (complete bool) {
	wasFailing := r.failing
	changed, err := r.load(t)
	r.failing = err != nil
	if err != nil {
		r.observe(fmt.Errorf("reload certificates: %w; those loaded before stay in use", err))
	} else if changed || wasFailing {
		r.observe(nil)
	}
	return err == nil
}

// Changed implements filewatch.Subject. Files that are not usable are read again,
// and reported again, when an event tells of a change and at each poll.
func (r *Reloader) Changed() bool {
	if time.Since(r.looked) >= r.poll {
		return true
	}
	return !r.failing && (r.pair.Changed() || r.bundle != nil && r.bundle.Changed())
}

// load replaces what is in use by what is in the files, as far as that can be
// used, and tells whether it replaced anything.
func (r *Reloader) load(t *filewatch.Targets) (changed bool, err error) {
	r.looked = time.Now()
	changed, err = r.pair.Read(t)
	if r.bundle == nil {
		return changed, err
	}
	bundleChanged, bundleErr := r.bundle.Read(t)
	return changed || bundleChanged, errors.Join(err, bundleErr)
}

// trusted is who vouches for callers now; nil without a client CA.
func (r *Reloader) trusted() authorities {
	if now := r.vouching.Load(); now != nil {
		return *now
	}
	return nil
}

// takePair puts a new certificate with its key in use.
func (r *Reloader) takePair(contents [][]byte) (changed bool, err error) {
	pair, err := ParsePair(contents[0], contents[1], r.now())
	if err != nil {
		return false, fmt.Errorf("%s with %s: %w", r.files.Cert, r.files.Key, err)
	}
	config := r.current.Load().Clone()
	config.Certificates = []tls.Certificate{pair}
	r.current.Store(config)
	return true, nil
}

// takeBundle puts a new client CA bundle in use.
func (r *Reloader) takeBundle(contents [][]byte) (changed bool, err error) {
	pool, all, err := parseAuthorities(contents[0])
	if err != nil {
		return false, fmt.Errorf("%s: %w", r.files.ClientCA, err)
	}
	config := r.current.Load().Clone()
	config.ClientCAs = pool
	r.current.Store(config)
	r.vouching.Store(&all)
	if tell := r.trustChanged.Load(); tell != nil {
		(*tell)(all)
	}
	return true, nil
}

// ParsePair returns the certificate and its private key, both in PEM. It refuses
// what the other side would refuse, so that it does not replace what that
// accepts.
func ParsePair(cert, key []byte, now time.Time) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	if now.After(pair.Leaf.NotAfter) {
		return tls.Certificate{}, fmt.Errorf("the certificate expired at %s", pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	if now.Before(pair.Leaf.NotBefore) {
		return tls.Certificate{}, fmt.Errorf("the certificate is not valid before %s", pair.Leaf.NotBefore.Format(time.RFC3339))
	}
	return pair, nil
}

// newConfig is what every handshake has in common.
func (r *Reloader) newConfig() *tls.Config {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		Time:       r.now,
		// A resumed session skips the verification of the caller's certificate,
		// and would outlive a client CA that was removed. Kubernetes keeps its
		// connections open, so that there is little to gain.
		SessionTicketsDisabled: true,
	}
	if r.files.ClientCA != "" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}
