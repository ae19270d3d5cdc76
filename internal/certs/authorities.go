package certs

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
)

// blockBegin finds the PEM blocks that pem.Decode passes over because they are
// damaged.
var blockBegin = regexp.MustCompile(`(?m)^-----BEGIN `)

// ParseAuthorities reads a PEM bundle of authorities. x509.CertPool.AppendCertsFromPEM skips
// what it cannot read, so that half of a bundle would pass for the whole.
func ParseAuthorities(content []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	found := 0
	for rest := content; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
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
	if begun := len(blockBegin.FindAll(content, -1)); begun != found {
		return nil, fmt.Errorf("only %d of %d PEM blocks can be read", found, begun)
	}
	if found == 0 {
		return nil, errors.New("holds no PEM certificate")
	}
	return pool, nil
}
