package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// address is a host:port to listen on.
type address struct {
	// host is an IP address, a DNS name, or empty for every interface.
	host string
	port uint16
}

func parseAddress(text string) (address, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return address{}, fmt.Errorf("%s is not an address: write host:port, such as 127.0.0.1:8443 or [::1]:8443", quote(text))
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return address{}, fmt.Errorf("%s has no usable port: write host:port with a port from 0 to 65535", quote(text))
	}
	if host != "" {
		if err := checkHost(host); err != nil {
			return address{}, err
		}
	}
	return address{host: host, port: uint16(number)}, nil
}

// loopback reports whether only this machine can reach the address. Names other
// than localhost are not looked up, since their addresses can change.
func (a address) loopback() bool {
	if strings.EqualFold(a.host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(a.host)
	return err == nil && ip.Unmap().IsLoopback()
}

// checkHost accepts IP addresses, without brackets, and DNS names.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	name := strings.ToLower(host)
	last := name[strings.LastIndexByte(name, '.')+1:]
	_, notNumber := strconv.ParseUint(last, 10, 64)
	// A name that ends in a number is a mistyped IPv4 address: 127.0.0.256.
	if notNumber == nil || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return fmt.Errorf("%s is neither an IP address nor a DNS name", quote(host))
	}
	return nil
}
