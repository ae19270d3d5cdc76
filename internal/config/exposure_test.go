package config

import (
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/policy"
)

func TestCheckExposure(t *testing.T) {
	const flag = "--allow-callers-without-client-certificate"
	for _, test := range []struct {
		name    string
		address string
		// clientCA is whether one is set; callers those of authentication.
		clientCA bool
		callers  []string
		allow    bool
		// want is part of the error; "" means none.
		want string
	}{
		{name: "IPv4 loopback", address: "127.0.0.1:8443"},
		{name: "another IPv4 loopback", address: "127.8.9.10:8443"},
		{name: "IPv6 loopback", address: "[::1]:8443"},
		{name: "IPv4 loopback in IPv6", address: "[::ffff:127.0.0.1]:8443"},
		{name: "localhost", address: "localhost:8443"},
		{name: "localhost in capitals", address: "LOCALHOST:8443"},
		{name: "no host", address: ":8443", want: flag},
		{name: "any IPv4", address: "0.0.0.0:8443", want: flag},
		{name: "any IPv6", address: "[::]:8443", want: flag},
		{name: "an address of the network", address: "10.0.0.1:8443", want: flag},
		{name: "any IPv4 in IPv6", address: "[::ffff:0.0.0.0]:8443", want: flag},
		{name: "a name", address: "verdict.example.com:8443", want: flag},
		{name: "a name that only begins like it", address: "localhost.example.com:8443", want: flag},
		{name: "a name that looks like a loopback address", address: "127.0.0.1.example.com:8443", want: flag},
		{name: "allowed by the flag", address: ":8443", allow: true},
		{name: "mutual TLS", address: ":8443", clientCA: true, callers: []string{"kube-apiserver"}},
		{name: "mutual TLS for any certificate", address: ":8443", clientCA: true, callers: []string{"*"}},
		{name: "mutual TLS for nobody", address: ":8443", clientCA: true, want: "server.callers"},
		{name: "mutual TLS for nobody on loopback", address: "127.0.0.1:8443", clientCA: true, want: "server.callers"},
		{name: "mutual TLS for nobody with the flag", address: ":8443", clientCA: true, allow: true, want: "server.callers"},
		{name: "no address", address: "", want: "server.address"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := Default()
			config.Server.Address = test.address
			config.Server.Callers = Callers{{policy.AuthenticationPoint, test.callers}}
			if test.clientCA {
				config.Server.TLS.ClientCAFile = "ca.crt"
			}
			err := config.CheckExposure(test.allow)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestCheckExposureCountsEveryList(t *testing.T) {
	for i, point := range policy.Points() {
		t.Run(point.String(), func(t *testing.T) {
			config := Default()
			config.Server.TLS.ClientCAFile = "ca.crt"
			config.Server.Callers[i].Names = []string{"a"}
			if err := config.CheckExposure(false); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheckExposureSaysWhy(t *testing.T) {
	config := Default()
	config.Server.Address = ":8443"
	err := config.CheckExposure(false)
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{"server.address", "guess tokens", "shows what the cluster contains", "server.tls.clientCAFile"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
}
