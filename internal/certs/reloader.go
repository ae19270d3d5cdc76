package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settle is how long after a first change the files are read, so that a
	// certificate and its key, written one after the other, are read together.
	settle = 100 * time.Millisecond
	// defaultPoll finds what the watch cannot see: file systems without events,
	// and changes of directories further up.
	defaultPoll = time.Minute
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

	// loaded is the content that current was made from.
	loaded content
	// failing is whether the last attempt found something unusable.
	failing bool
}

// content is the bytes of Files.
type content struct {
	cert, key, clientCA []byte
	authorities         authorities // in clientCA
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
	if _, err := r.load(); err != nil {
		return nil, err
	}
	return r, nil
}

// TLSConfig gives the configuration for a listener. Each handshake uses the
// files that were last found good. HTTP/2 and HTTP/1.1 are offered, from TLS 1.2
// on; with a client CA a caller without a certificate fails the handshake.
func (r *Reloader) TLSConfig() *tls.Config {
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
	var events chan fsnotify.Event
	var faults chan error
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		r.observe(fmt.Errorf("watch certificates: %w: changes are noticed within %s only", err, r.poll))
	} else {
		defer watcher.Close()
		events, faults = watcher.Events, watcher.Errors
	}

	poll := time.NewTicker(r.poll)
	defer poll.Stop()
	// settled is nil while no change is waiting to be read.
	var settled <-chan time.Time
	// Beginning with a poll sees what changed since NewReloader.
	r.watch(watcher)
	r.reload()
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
			// A directory that was replaced has lost its watch.
			r.watch(watcher)
			if settled == nil {
				r.reload()
			}
		case <-settled:
			settled = nil
			r.reload()
		case _, open := <-events:
			if !open {
				events = nil
			} else if settled == nil {
				// Not put off by later events: a busy directory would put it off
				// for ever.
				settled = time.After(settle)
			}
		case _, open := <-faults:
			// Events may have been lost.
			if !open {
				faults = nil
			} else if settled == nil {
				settled = time.After(settle)
			}
		}
	}
}

// watch (re)places the watches. Directories are watched, since a watch on a file
// ends when the file is replaced; in a mounted Secret the files are symlinks
// through ..data in the same directory, which is what is replaced there. A
// directory that cannot be watched is left to the poll, which also reports what
// is wrong with its files.
func (r *Reloader) watch(watcher *fsnotify.Watcher) {
	if watcher == nil {
		return
	}
	var directories []string
	for _, file := range []string{r.files.Cert, r.files.Key, r.files.ClientCA} {
		if file != "" {
			directories = append(directories, filepath.Dir(file))
		}
	}
	slices.Sort(directories)
	for _, directory := range slices.Compact(directories) {
		// Adding a path again would keep the watch on the directory that was
		// there before.
		_ = watcher.Remove(directory)
		_ = watcher.Add(directory)
	}
}

// reload reads the files and tells the observer when there is something to tell.
func (r *Reloader) reload() {
	wasFailing := r.failing
	changed, err := r.load()
	r.failing = err != nil
	if err != nil {
		r.observe(fmt.Errorf("reload certificates: %w; those loaded before stay in use", err))
	} else if changed || wasFailing {
		r.observe(nil)
	}
}

// load replaces what is in use by what is in the files, as far as that can be
// used, and tells whether it replaced anything.
func (r *Reloader) load() (changed bool, err error) {
	first := r.current.Load() == nil
	config := r.newConfig()
	if !first {
		config = r.current.Load().Clone()
	}
	loaded := r.loaded
	pairChanged, pairErr := r.loadPair(config, &loaded)
	clientCAChanged, clientCAErr := r.loadClientCA(config, &loaded)

	err = errors.Join(pairErr, clientCAErr)
	changed = pairChanged || clientCAChanged
	if changed && (err == nil || !first) {
		r.loaded = loaded
		r.current.Store(config)
		if clientCAChanged {
			r.vouching.Store(&loaded.authorities)
			if tell := r.trustChanged.Load(); tell != nil {
				(*tell)(loaded.authorities)
			}
		}
	}
	return changed, err
}

// trusted is who vouches for callers now; nil without a client CA.
func (r *Reloader) trusted() authorities {
	if now := r.vouching.Load(); now != nil {
		return *now
	}
	return nil
}

// loadPair puts the certificate into config when it is new and good.
func (r *Reloader) loadPair(config *tls.Config, loaded *content) (changed bool, err error) {
	cert, err := os.ReadFile(r.files.Cert)
	if err != nil {
		return false, err
	}
	key, err := os.ReadFile(r.files.Key)
	if err != nil {
		return false, err
	}
	if config.Certificates != nil && bytes.Equal(cert, loaded.cert) && bytes.Equal(key, loaded.key) {
		return false, nil
	}
	pair, err := ParsePair(cert, key, r.now())
	if err != nil {
		return false, fmt.Errorf("%s with %s: %w", r.files.Cert, r.files.Key, err)
	}
	config.Certificates = []tls.Certificate{pair}
	loaded.cert, loaded.key = cert, key
	return true, nil
}

// loadClientCA puts the client CA bundle into config when it is new and good.
func (r *Reloader) loadClientCA(config *tls.Config, loaded *content) (changed bool, err error) {
	if r.files.ClientCA == "" {
		return false, nil
	}
	bundle, err := os.ReadFile(r.files.ClientCA)
	if err != nil {
		return false, err
	}
	if bytes.Equal(bundle, loaded.clientCA) && config.ClientCAs != nil {
		return false, nil
	}
	pool, all, err := parseAuthorities(bundle)
	if err != nil {
		return false, fmt.Errorf("%s: %w", r.files.ClientCA, err)
	}
	config.ClientCAs = pool
	loaded.clientCA, loaded.authorities = bundle, all
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
