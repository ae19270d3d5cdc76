package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

const (
	developmentLifetime = 365 * 24 * time.Hour
	// developmentRenewal is how long before its end a certificate is replaced.
	developmentRenewal = 30 * 24 * time.Hour
	// developmentSkew lets machines whose clock is behind use a new certificate.
	developmentSkew = time.Hour
)

// DevelopmentFiles are the files of a development certificate, all PEM.
type DevelopmentFiles struct {
	// CAFile is the certificate authority for callers to trust. Its private key
	// is not kept, so no one can sign another certificate with it.
	CAFile string
	// CertFile and KeyFile are the server's certificate and private key.
	CertFile, KeyFile string
}

// Development gives a server certificate for localhost, 127.0.0.1, ::1 and the
// further hosts (DNS names or IP addresses), signed by an authority of its own
// and kept in dir as ca.crt, tls.crt and tls.key. What is there is used again
// when it is whole, covers the hosts, and is good for 30 days more; otherwise all
// of it is made again, for one year.
//
// The directory gets mode 0700 and the files 0600. Processes that start at the
// same time get the same certificate.
func Development(dir string, hosts []string, now time.Time) (DevelopmentFiles, error) {
	if slices.Contains(hosts, "") {
		return DevelopmentFiles{}, errors.New("development certificate: a host is empty")
	}
	hosts = append([]string{"localhost", "127.0.0.1", "::1"}, hosts...)
	files := DevelopmentFiles{
		CAFile:   filepath.Join(dir, "ca.crt"),
		CertFile: filepath.Join(dir, "tls.crt"),
		KeyFile:  filepath.Join(dir, "tls.key"),
	}
	// Looking before locking lets a read-only directory work.
	if checkDevelopment(dir, files, hosts, now) == nil {
		return files, nil
	}
	if err := makeDevelopment(dir, files, hosts, now); err != nil {
		return DevelopmentFiles{}, fmt.Errorf("development certificate in %s: %w", dir, err)
	}
	return files, nil
}

// makeDevelopment writes the files unless another process did while this one
// waited for the lock.
func makeDevelopment(dir string, files DevelopmentFiles, hosts []string, now time.Time) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create directory: %w", err)
	}
	// It may have been there before, open to others.
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory needs its x bit
		return fmt.Errorf("close directory to others: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer unlock()
	if checkDevelopment(dir, files, hosts, now) == nil {
		return nil
	}

	made, err := generate(hosts, now)
	if err != nil {
		return err
	}
	// A crash between two of these leaves files that do not fit together, which
	// the next start notices.
	for _, file := range []struct {
		path    string
		content []byte
	}{
		{files.KeyFile, made.key},
		{files.CertFile, made.certificate},
		{files.CAFile, made.authority},
	} {
		if err := writeAtomically(file.path, file.content); err != nil {
			return err
		}
	}
	if err := checkDevelopment(dir, files, hosts, now); err != nil {
		return fmt.Errorf("just written, but not usable: %w", err)
	}
	return nil
}

// checkDevelopment tells whether the files can be used as they are.
func checkDevelopment(dir string, files DevelopmentFiles, hosts []string, now time.Time) error {
	for _, path := range []string{dir, files.CAFile, files.CertFile, files.KeyFile} {
		if err := checkPrivate(path); err != nil {
			return err
		}
	}
	pair, err := tls.LoadX509KeyPair(files.CertFile, files.KeyFile)
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(files.CAFile)
	if err != nil {
		return err
	}
	roots, err := ParseAuthorities(authority)
	if err != nil {
		return fmt.Errorf("%s: %w", files.CAFile, err)
	}
	for _, at := range []time.Time{now, now.Add(developmentRenewal)} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at}); err != nil {
			return err
		}
	}
	for _, host := range hosts {
		if err := pair.Leaf.VerifyHostname(host); err != nil {
			return err
		}
	}
	return nil
}

// checkPrivate refuses what others can read: a key that was open once is not
// secret any more. On Windows modes say nothing.
func checkPrivate(path string) error {
	information, err := os.Stat(path)
	if err != nil {
		return err
	}
	if runtime.GOOS != "windows" && information.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is open to others: mode %s", path, information.Mode())
	}
	return nil
}

// generated is the PEM of what Development writes.
type generated struct {
	authority, certificate, key []byte
}

func generate(hosts []string, now time.Time) (generated, error) {
	authorityKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return generated{}, fmt.Errorf("make the key of the authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return generated{}, fmt.Errorf("make the key: %w", err)
	}

	// Serial numbers are left out: x509 makes random ones.
	authority := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Verdict development CA"},
		NotBefore:             now.Add(-developmentSkew),
		NotAfter:              now.Add(developmentLifetime),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.Public(), authorityKey)
	if err != nil {
		return generated{}, fmt.Errorf("sign the authority: %w", err)
	}
	// Parsed again for the key identifier that x509 worked out.
	authority, err = x509.ParseCertificate(authorityDER)
	if err != nil {
		return generated{}, fmt.Errorf("parse the authority: %w", err)
	}

	leaf := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Verdict development server"},
		NotBefore:             authority.NotBefore,
		NotAfter:              authority.NotAfter,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		ip := net.ParseIP(host)
		switch {
		case ip == nil && !slices.Contains(leaf.DNSNames, host):
			leaf.DNSNames = append(leaf.DNSNames, host)
		case ip != nil && !slices.ContainsFunc(leaf.IPAddresses, ip.Equal):
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		}
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), authorityKey)
	if err != nil {
		return generated{}, fmt.Errorf("sign the certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return generated{}, fmt.Errorf("encode the key: %w", err)
	}
	return generated{
		authority:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authorityDER}),
		certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}),
		key:         pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

// writeAtomically replaces a file as a whole, with mode 0600.
func writeAtomically(path string, content []byte) (err error) {
	// CreateTemp makes the mode 0600.
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
			if removal := os.Remove(temporary.Name()); removal != nil && !errors.Is(removal, fs.ErrNotExist) {
				err = errors.Join(err, removal)
			}
		}
	}()
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Sync()
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
