package config

func (c *checker) server() {
	server := &c.config.Server
	c.address("server.address", server.Address)
	c.tls(server)
	c.callers(server)

	if !c.undecoded["server.maxInFlight"] && server.MaxInFlight <= 0 {
		c.add("server.maxInFlight", "must be above 0, not %d", server.MaxInFlight)
	}
	c.aboveZero("server.limits.reviewBytes", server.Limits.ReviewBytes)
	c.aboveZero("server.limits.schedulingBytes", server.Limits.SchedulingBytes)
	c.aboveZero("server.limits.tokenBytes", server.Limits.TokenBytes)
	c.aboveZero("server.limits.headerBytes", server.Limits.HeaderBytes)
	for _, limit := range []struct {
		path   string
		values int
	}{
		{"server.limits.reviewValues", server.Limits.ReviewValues},
		{"server.limits.schedulingValues", server.Limits.SchedulingValues},
		{"server.limits.objectValues", server.Limits.ObjectValues},
	} {
		if !c.undecoded[limit.path] && limit.values <= 0 {
			c.add(limit.path, "must be above 0, not %d", limit.values)
		}
	}
	c.bytesInFlight(server)
	c.timeouts(&server.Timeouts)
}

func (c *checker) timeouts(timeouts *Timeouts) {
	c.positive("server.timeouts.readHeader", timeouts.ReadHeader)
	c.positive("server.timeouts.read", timeouts.Read)
	c.positive("server.timeouts.idle", timeouts.Idle)
	write := c.positive("server.timeouts.write", timeouts.Write)
	decision := c.positive("server.timeouts.decision", timeouts.Decision)
	if write && decision && timeouts.Write <= timeouts.Decision {
		c.add("server.timeouts.write", "must be longer than server.timeouts.decision (%s), not %s: when a connection is closed before its answer, the API server retries the request", timeouts.Decision, timeouts.Write)
	}
}

// bytesInFlight checks that one request of the largest size has room: extender
// calls, whose nodes are read into memory beside the body, have three quarters.
func (c *checker) bytesInFlight(server *Server) {
	const path = "server.maxBytesInFlight"
	if !c.aboveZero(path, server.MaxBytesInFlight) {
		return
	}
	for _, limit := range []struct {
		path         string
		bytes, times int64
	}{
		{"server.limits.schedulingBytes", server.Limits.SchedulingBytes, 4},
		{"server.limits.reviewBytes", server.Limits.ReviewBytes, 32},
	} {
		if !c.undecoded[limit.path] && server.MaxBytesInFlight/limit.times < limit.bytes {
			c.add(path, "must be at least %d times %s (%d bytes), not %d: otherwise there is no room for the largest body", limit.times, limit.path, limit.bytes, server.MaxBytesInFlight)
		}
	}
}

func (c *checker) tls(server *Server) {
	files := &server.TLS
	c.file("server.tls.certFile", &files.CertFile)
	c.file("server.tls.keyFile", &files.KeyFile)
	c.file("server.tls.clientCAFile", &files.ClientCAFile)

	if server.PlainHTTP {
		if address, ok := parseAddress(server.Address); ok == nil && !address.loopback() && !c.undecoded["server.address"] {
			c.add("server.plainHTTP", "tokens would cross the network without encryption: use it only on a loopback address such as 127.0.0.1:8080, not %s", quote(server.Address))
		}
		for _, field := range []struct{ path, value string }{
			{"server.tls.certFile", files.CertFile},
			{"server.tls.keyFile", files.KeyFile},
			{"server.tls.clientCAFile", files.ClientCAFile},
		} {
			if field.value != "" {
				c.add(field.path, "excludes server.plainHTTP: remove one of them")
			}
		}
	}
	switch {
	case c.undecoded["server.tls.certFile"] || c.undecoded["server.tls.keyFile"]:
	case files.CertFile != "" && files.KeyFile == "":
		c.add("server.tls.certFile", "needs server.tls.keyFile, the private key that belongs to it")
	case files.CertFile == "" && files.KeyFile != "":
		c.add("server.tls.keyFile", "needs server.tls.certFile, the certificate that belongs to it")
	}
}

func (c *checker) callers(server *Server) {
	for _, list := range server.Callers {
		path := "server.callers." + list.Point.String()
		c.names(path, list.Names)
		if len(list.Names) > 0 && server.TLS.ClientCAFile == "" && !c.undecoded["server.tls.clientCAFile"] {
			c.add(path, "needs server.tls.clientCAFile: without it callers have no certificate, so this list would allow every caller")
		}
	}
}

func (c *checker) operations() {
	c.address("operations.address", c.config.Operations.Address)
	if c.undecoded["operations.address"] || c.undecoded["server.address"] {
		return
	}
	operations, err := parseAddress(c.config.Operations.Address)
	if err != nil {
		return
	}
	if operations.port != 0 && c.config.Operations.Address == c.config.Server.Address {
		c.add("operations.address", "%s is also server.address: choose another port", quote(c.config.Operations.Address))
	}
}
