package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// announce prints the addresses of the service, and requests to try.
func (s *service) announce(w io.Writer) error {
	scheme := "https"
	if s.config.Server.PlainHTTP {
		scheme = "http"
	}
	base := scheme + "://" + reachable(s.webhookListen.Addr())
	_, err := fmt.Fprintf(w, "webhooks:   %s\noperations: http://%s/readyz?verbose\n", base, reachable(s.operationsListen.Addr()))
	if s.caFile != "" {
		_, err = fmt.Fprintf(w, "CA file:    %s\n", s.caFile)
	}
	_, err2 := fmt.Fprintf(w, "policy:     revision %s\n", s.engine.Revision().ID())
	if err = errors.Join(err, err2); err != nil || s.example == nil || s.caFile == "" {
		return err
	}
	_, err = fmt.Fprintf(w, "\nTry it: who is this user, may this user list pods, and on which node may this pod run?\n%s\n%s\n%s\n",
		curl(s.caFile, s.example.tokenReview, base+"/authenticate"),
		curl(s.caFile, s.example.accessReview, base+"/authorize"),
		curl(s.caFile, s.example.filterCall, base+"/scheduler/filter"))
	return err
}

// reachable is an address that a caller on this machine can use and the
// development certificate covers, also where every interface is listened on.
func reachable(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return addr.String()
}
