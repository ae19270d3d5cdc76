package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// parseAuthorities reads a PEM bundle. x509.CertPool.AppendCertsFromPEM skips
// what it cannot read, so that half of a bundle would pass for the whole.
func parseAuthorities(content []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	found := 0
	for rest := content; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			if bytes.Contains(rest, []byte("-----BEGIN")) {
				return nil, fmt.Errorf("what follows certificate %d is not valid PEM", found)
			}
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("found a PEM block %q: a bundle of authorities holds certificates only", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", found+1, err)
		}
		pool.AddCert(certificate)
		found++
	}
	if found == 0 {
		return nil, errors.New("holds no PEM certificate")
	}
	return pool, nil
}
