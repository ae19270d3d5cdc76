package certs

import (
	"bytes"
	"encoding/pem"
	"strings"
	"testing"
)

func TestParseAuthorities(t *testing.T) {
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	damaged := bytes.Replace(first.PEM, []byte("MII"), []byte("!!!"), 1)
	for _, test := range []struct {
		name    string
		content []byte
		// want is part of the error; "" means none.
		want string
	}{
		{"one", first.PEM, ""},
		{"two with text between", bytes.Join([][]byte{[]byte("# first"), first.PEM, []byte("# second"), second.PEM}, []byte("\n")), ""},
		{"nothing", nil, "holds no PEM certificate"},
		{"no PEM", []byte("hello"), "holds no PEM certificate"},
		{"damaged", damaged, "only 0 of 1"},
		{"damaged before a good one", append(bytes.Clone(damaged), second.PEM...), "only 1 of 2"},
		{"cut", append(bytes.Clone(first.PEM), second.PEM[:len(second.PEM)/2]...), "only 1 of 2"},
		{"not a certificate inside", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "certificate 1"},
		{"a private key", append(bytes.Clone(first.PEM), first.issue(t, "a", nil).key...), `"PRIVATE KEY"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			pool, err := ParseAuthorities(test.content)
			if test.want == "" {
				if err != nil || pool == nil {
					t.Errorf("pool %v, error %v", pool, err)
				}
				return
			}
			if pool != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("pool %v, error %v, want an error with %s", pool, err, test.want)
			}
		})
	}
}

func TestParseAuthoritiesReadsAll(t *testing.T) {
	first, second := newAuthority(t, "first"), newAuthority(t, "second")
	pool, err := ParseAuthorities(append(bytes.Clone(first.PEM), second.PEM...))
	check(t, err)
	want := first.pool()
	want.AddCert(second.certificate)
	if !pool.Equal(want) {
		t.Error("the pool is not both authorities")
	}
}
