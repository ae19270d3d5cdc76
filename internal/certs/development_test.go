package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const day = 24 * time.Hour

// state is the content of a development certificate's files.
type state struct{ ca, cert, key string }

func stateOf(t *testing.T, files DevelopmentFiles) state {
	t.Helper()
	return state{string(read(t, files.CAFile)), string(read(t, files.CertFile)), string(read(t, files.KeyFile))}
}

func develop(t *testing.T, dir string, hosts []string, now time.Time) DevelopmentFiles {
	t.Helper()
	files, err := Development(dir, hosts, now)
	check(t, err)
	return files
}

func TestDevelopmentFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "verdict")
	files := develop(t, dir, nil, time.Now())

	want := DevelopmentFiles{
		CAFile:   filepath.Join(dir, "ca.crt"),
		CertFile: filepath.Join(dir, "tls.crt"),
		KeyFile:  filepath.Join(dir, "tls.key"),
	}
	if files != want {
		t.Errorf("files %+v, want %+v", files, want)
	}
	information, err := os.Stat(dir)
	check(t, err)
	if mode := information.Mode().Perm(); mode != 0o700 {
		t.Errorf("mode of the directory %o, want 700", mode)
	}
	entries, err := os.ReadDir(dir)
	check(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
		information, err := entry.Info()
		check(t, err)
		if mode := information.Mode().Perm(); mode != 0o600 {
			t.Errorf("mode of %s %o, want 600", entry.Name(), mode)
		}
	}
	if want := []string{".lock", "ca.crt", "tls.crt", "tls.key"}; !slices.Equal(names, want) {
		t.Errorf("the directory has %q, want %q", names, want)
	}
}

func TestDevelopmentCertificate(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	files := develop(t, t.TempDir(), []string{"verdict.test", "10.1.2.3", "localhost"}, now)
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	check(t, err)
	leaf := pair.Leaf
	block, rest := pem.Decode(read(t, files.CAFile))
	ca, err := x509.ParseCertificate(block.Bytes)
	check(t, err)

	if len(rest) > 0 {
		t.Error("ca.crt holds more than a certificate")
	}
	if !ca.IsCA || ca.KeyUsage != x509.KeyUsageCertSign || !ca.MaxPathLenZero {
		t.Errorf("authority: IsCA %v, key usage %b, path length zero %v", ca.IsCA, ca.KeyUsage, ca.MaxPathLenZero)
	}
	if ca.PublicKey.(*ecdsa.PublicKey).Equal(leaf.PublicKey) {
		t.Error("the key that is kept is the authority's")
	}
	if leaf.IsCA || leaf.KeyUsage != x509.KeyUsageDigitalSignature || !slices.Equal(leaf.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}) {
		t.Errorf("leaf: IsCA %v, key usage %b, %v", leaf.IsCA, leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if key, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key %T, want ECDSA P-256", leaf.PublicKey)
	}
	if want := now.Add(365 * day); !leaf.NotAfter.Equal(want) {
		t.Errorf("ends %s, want %s", leaf.NotAfter, want)
	}
	if want := []string{"localhost", "verdict.test"}; !slices.Equal(leaf.DNSNames, want) {
		t.Errorf("DNS names %q, want %q", leaf.DNSNames, want)
	}
	if want := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback, net.IPv4(10, 1, 2, 3)}; !slices.EqualFunc(leaf.IPAddresses, want, net.IP.Equal) {
		t.Errorf("IP addresses %v, want %v", leaf.IPAddresses, want)
	}
	if leaf.SerialNumber.BitLen() < 64 || leaf.SerialNumber.Cmp(ca.SerialNumber) == 0 {
		t.Errorf("serial numbers %s and %s, want random ones", leaf.SerialNumber, ca.SerialNumber)
	}
}

func TestDevelopmentServes(t *testing.T) {
	files := develop(t, t.TempDir(), nil, time.Now())
	reloader, err := NewReloader(Files{Cert: files.CertFile, Key: files.KeyFile}, Options{})
	check(t, err)
	address := serve(t, reloader.tlsConfig())
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(read(t, files.CAFile))
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		t.Run(name, func(t *testing.T) {
			if _, err := handshake(address, &tls.Config{RootCAs: roots, ServerName: name}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDevelopmentIsUsedAgain(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	check(t, os.Chmod(dir, 0o700))
	before := stateOf(t, develop(t, dir, []string{"a.test", "b.test"}, now))
	for _, test := range []struct {
		name  string
		hosts []string
		after time.Duration
	}{
		{"at once", []string{"a.test", "b.test"}, 0},
		{"for fewer hosts", []string{"b.test"}, 0},
		{"before its renewal", nil, 334 * day},
	} {
		t.Run(test.name, func(t *testing.T) {
			if after := stateOf(t, develop(t, dir, test.hosts, now.Add(test.after))); after != before {
				t.Error("it was made anew")
			}
		})
	}
}

func TestDevelopmentIsMadeAnew(t *testing.T) {
	now := time.Now()
	other := newAuthority(t, "other")
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir string, files DevelopmentFiles)
		hosts  []string
		after  time.Duration
	}{
		{name: "expired", after: 400 * day},
		{name: "near its end", after: 336 * day},
		{name: "from the future", after: -2 * day},
		{name: "for another host", hosts: []string{"verdict.test"}},
		{name: "without key", damage: func(t *testing.T, _ string, files DevelopmentFiles) { check(t, os.Remove(files.KeyFile)) }},
		{name: "without certificate", damage: func(t *testing.T, _ string, files DevelopmentFiles) { check(t, os.Remove(files.CertFile)) }},
		{name: "without authority", damage: func(t *testing.T, _ string, files DevelopmentFiles) { check(t, os.Remove(files.CAFile)) }},
		{name: "with an empty key", damage: func(t *testing.T, _ string, files DevelopmentFiles) { put(t, files.KeyFile, nil) }},
		{name: "with a broken certificate", damage: func(t *testing.T, _ string, files DevelopmentFiles) {
			put(t, files.CertFile, read(t, files.CertFile)[:100])
		}},
		{name: "with another key", damage: func(t *testing.T, _ string, files DevelopmentFiles) {
			put(t, files.KeyFile, other.issue(t, "a", nil).key)
		}},
		{name: "with another authority", damage: func(t *testing.T, _ string, files DevelopmentFiles) { put(t, files.CAFile, other.PEM) }},
		{name: "with an open key", damage: func(t *testing.T, _ string, files DevelopmentFiles) { check(t, os.Chmod(files.KeyFile, 0o640)) }},
		{name: "in an open directory with an open key", damage: func(t *testing.T, dir string, files DevelopmentFiles) {
			check(t, os.Chmod(files.KeyFile, 0o644))
			check(t, os.Chmod(dir, 0o755))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "verdict")
			files := develop(t, dir, nil, now)
			before := stateOf(t, files)
			if test.damage != nil {
				test.damage(t, dir, files)
			}
			later := now.Add(test.after)
			after := stateOf(t, develop(t, dir, test.hosts, later))
			if after.key == before.key || after.cert == before.cert || after.ca == before.ca {
				t.Error("a part of it was kept")
			}
			if err := checkDevelopment(dir, files, append(test.hosts, "localhost"), later); err != nil {
				t.Errorf("what was made is not usable: %v", err)
			}
		})
	}
}

// The directory may have been made by hand.
func TestDevelopmentClosesTheDirectory(t *testing.T) {
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o755))
	before := stateOf(t, develop(t, dir, nil, time.Now()))
	information, err := os.Stat(dir)
	check(t, err)
	if mode := information.Mode().Perm(); mode != 0o700 {
		t.Errorf("mode %o, want 700", mode)
	}
	// Opened again, it is closed without making a certificate whose key nobody
	// could read.
	check(t, os.Chmod(dir, 0o755))
	if after := stateOf(t, develop(t, dir, nil, time.Now())); after != before {
		t.Error("the certificate was made anew")
	}
}

func TestDevelopmentAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "verdict")
	now := time.Now()
	const callers = 16
	states := make([]state, callers)
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			files, err := Development(dir, nil, now)
			if err != nil {
				t.Error(err)
				return
			}
			// Read at once: what a caller was given must not change any more.
			states[i] = stateOf(t, files)
		})
	}
	group.Wait()
	for i := range states {
		if states[i] != states[0] {
			t.Fatalf("caller %d got another certificate than caller 0", i)
		}
	}
}

func TestDevelopmentErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	put(t, file, []byte("x"))
	if _, err := Development(filepath.Join(file, "verdict"), nil, time.Now()); err == nil {
		t.Error("no error for a directory below a file")
	}
	if _, err := Development(t.TempDir(), []string{""}, time.Now()); err == nil {
		t.Error("no error for an empty host")
	}
	// Waiting for the lock must not hide what is wrong with it.
	dir := t.TempDir()
	check(t, os.Mkdir(filepath.Join(dir, ".lock"), 0o700))
	if _, err := Development(dir, nil, time.Now()); err == nil || !strings.Contains(err.Error(), ".lock") {
		t.Errorf("error %v, want one that names .lock", err)
	}
}

func TestWriteAtomicallyLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	// A directory cannot be replaced by a file.
	target := filepath.Join(dir, "target")
	check(t, os.Mkdir(target, 0o700))
	err := writeAtomically(target, []byte("x"))
	if _, ok := errors.AsType[*os.LinkError](err); !ok {
		t.Fatalf("error %v, want the one of rename", err)
	}
	entries, err := os.ReadDir(dir)
	check(t, err)
	if len(entries) != 1 {
		t.Errorf("%d entries, want the directory alone", len(entries))
	}
}
