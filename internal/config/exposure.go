package config

import (
	"errors"
	"fmt"
	"slices"
)

// CheckExposure refuses a configuration that lets any host call, or no caller at all. Its
// argument is the flag --allow-callers-without-client-certificate, which is not
// a field of the file, so that a file copied from a laptop to a cluster cannot
// open the listener.
func (c *Configuration) CheckExposure(allowWithoutClientCertificates bool) error {
	listen, err := parseAddress(c.Server.Address)
	if err != nil {
		return fmt.Errorf("server.address: %w", err)
	}
	if c.Server.PlainHTTP && !listen.loopback() {
		return fmt.Errorf("server.plainHTTP: tokens would cross the network without encryption: use it only on a loopback address such as 127.0.0.1:8080, not %s", quote(c.Server.Address))
	}
	if c.Server.TLS.ClientCAFile == "" {
		if listen.loopback() || allowWithoutClientCertificates {
			return nil
		}
		return fmt.Errorf("server.address: %s can be reached from other machines, and callers need no certificate: "+
			"at an open TokenReview endpoint anybody can guess tokens, and an open authorization endpoint shows what the cluster contains; "+
			"set server.tls.clientCAFile and server.callers, listen on 127.0.0.1, "+
			"or start with --allow-callers-without-client-certificate", quote(c.Server.Address))
	}
	if !slices.ContainsFunc(c.Server.Callers, func(list PointCallers) bool { return len(list.Names) > 0 }) {
		return errors.New("server.callers: every list is empty, so with server.tls.clientCAFile no caller would be allowed: " +
			"list the names in callers' certificates, or \"*\" for every certificate that one of the authorities signed")
	}
	return nil
}
