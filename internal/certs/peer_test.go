package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"slices"
	"testing"
)

func TestPeerNames(t *testing.T) {
	spiffe := &url.URL{Scheme: "spiffe", Host: "cluster.local", Path: "/ns/kube-system/sa/scheduler"}
	for _, test := range []struct {
		name        string
		certificate *x509.Certificate
		want        []string
	}{
		{"none", nil, nil},
		{"no names", &x509.Certificate{}, nil},
		{"common name", &x509.Certificate{Subject: pkix.Name{CommonName: "kube-apiserver"}}, []string{"kube-apiserver"}},
		{
			"all kinds",
			&x509.Certificate{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"b.example.com", "c"}, URIs: []*url.URL{spiffe}},
			[]string{"a", "b.example.com", "c", "spiffe://cluster.local/ns/kube-system/sa/scheduler"},
		},
		{"each once", &x509.Certificate{Subject: pkix.Name{CommonName: "a"}, DNSNames: []string{"a", "b", "b"}}, []string{"a", "b"}},
		{
			"what proves no name of a caller",
			&x509.Certificate{
				Subject:        pkix.Name{Organization: []string{"system:masters"}},
				EmailAddresses: []string{"a@example.com"},
				IPAddresses:    []net.IP{net.IPv4(10, 0, 0, 1)},
			},
			nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := PeerNames(test.certificate); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
