package certs

import (
	"crypto/x509"
	"slices"
)

// PeerNames gives the names of a verified client certificate that may appear in
// server.callers: the subject's common name, the DNS and the URI subject
// alternative names, in that order and each once. A name is compared as a whole;
// a "*" in it means nothing. The result is nil for a nil certificate or one
// without names.
func PeerNames(certificate *x509.Certificate) []string {
	if certificate == nil {
		return nil
	}
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	add(certificate.Subject.CommonName)
	for _, name := range certificate.DNSNames {
		add(name)
	}
	for _, uri := range certificate.URIs {
		add(uri.String())
	}
	return names
}
