package config

// checker looks for mistakes in decoded values, and joins relative paths to the
// directory of the file.
type checker struct {
	*problems
	config    *Configuration
	directory string
}

func (c *checker) check() {
	c.header()
	c.server()
	c.operations()
	c.notNegative("shutdown.drain", c.config.Shutdown.Drain)
	c.notNegative("shutdown.grace", c.config.Shutdown.Grace)
	c.policy()
	c.authentication()
	c.authorization()
	c.scheduling()
	for _, entry := range c.config.entries() {
		c.entry(entry)
	}
	c.cache()
	c.cluster()
	oneOf(c, "log.level", c.config.Log.Level, LogLevelDebug, LogLevelInfo, LogLevelWarn, LogLevelError)
	oneOf(c, "log.format", c.config.Log.Format, LogFormatAuto, LogFormatJSON, LogFormatConsole)
}

func (c *checker) header() {
	c.exactly("apiVersion", c.config.APIVersion, APIVersion)
	c.exactly("kind", c.config.Kind, Kind)
}

func (c *checker) exactly(path, value, want string) {
	switch {
	case c.undecoded[path] || c.undecoded[""] || value == want:
	case value == "":
		c.add(path, "required: write \"%s: %s\"", path, want)
	default:
		c.add(path, "%s is not supported: write \"%s: %s\"", quote(value), path, want)
	}
}

func (c *checker) authorization() {
	authorization := c.config.Authorization
	oneOf(c, "authorization.onError", authorization.OnError, OnErrorDeny, OnErrorNoOpinion)
	oneOf(c, "authorization.onUnavailable", authorization.OnUnavailable, OnUnavailableUnavailable, OnUnavailableDeny)
}
