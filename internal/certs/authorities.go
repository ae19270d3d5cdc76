package certs

import (
	"crypto/sha256"
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
	pool, _, err := parseAuthorities(content)
	return pool, err
}

func parseAuthorities(content []byte) (*x509.CertPool, authorities, error) {
	pool, all := x509.NewCertPool(), authorities{}
	found := 0
	for rest := content; ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, nil, fmt.Errorf("found a PEM block %q: a bundle of authorities holds certificates only", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate %d: %w", found+1, err)
		}
		pool.AddCert(certificate)
		all[sha256.Sum256(certificate.Raw)] = true
		found++
	}
	if begun := len(blockBegin.FindAll(content, -1)); begun != found {
		return nil, nil, fmt.Errorf("only %d of %d PEM blocks can be read", found, begun)
	}
	if found == 0 {
		return nil, nil, errors.New("holds no PEM certificate")
	}
	return pool, all, nil
}
