package httpsource

import (
	"context"
	"fmt"
	"net/http"

	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// Kind is the kind of sources that ask an HTTP service for what belongs to a token.
func Kind() sources.Kind {
	return sources.Kind{
		Name: typeName,
		Config: func() sources.Config {
			return &Options{Tokens: remote.Tokens{Format: remote.TokenFormatOpaque}, Connection: remote.DefaultConnection()}
		},
		Example: func() identity.Identity {
			return identity.Identity{
				Type: typeName, Source: "github", Subject: "583231",
				Claims: identity.NewClaims(`{"orgs":[{"id":9919,"login":"github"}],` +
					`"teams":[{"id":1,"organization":{"login":"github"},"slug":"justice-league"}],` +
					`"user":{"id":583231,"login":"octocat","type":"User"}}`),
			}
		},
	}
}

// SetDefaults is called before a request is read from the configuration.
func (r *Request) SetDefaults() {
	r.Method, r.Pages = http.MethodGet, 1
	r.Accepted, r.Rejected = []int{http.StatusOK}, []int{http.StatusUnauthorized}
}

// Check implements Config.
func (o *Options) Check(c sources.Checker) {
	if o.Preset != "" {
		c.OneOf("preset", o.Preset, presetNames())
	}
	c.URL("baseURL", o.BaseURL)
	c.Names("allowedHosts", o.AllowedHosts)
	if o.Preset == "" && c.Readable("preset") {
		if len(o.Requests) == 0 && c.Readable("requests") {
			c.Add("requests", "required without a preset: what to ask the service")
		}
		if o.Subject == "" && c.Readable("subject") {
			c.Add("subject", "required without a preset: where in the answers the subject is, such as user.id")
		}
		if len(o.AllowedHosts) == 0 && c.Readable("allowedHosts") {
			c.Add("allowedHosts", "required without a preset: the hosts that tokens may be sent to")
		}
	}
	for i := range o.Requests {
		if at := fmt.Sprintf("requests[%d]", i); c.Readable(at) {
			o.Requests[i].check(c, at)
		}
	}
	o.Tokens.CheckConfig(c, "tokens")
	o.Connection.Check(c, "connection")
}

func (r *Request) check(c sources.Checker, at string) {
	if r.URL == "" && c.Readable(at+".url") {
		c.Add(at+".url", "required: where to ask, such as https://api.example.com/user")
	}
	if r.Pages < 1 && c.Readable(at+".pages") {
		c.Add(at+".pages", "must be above 0, not %d", r.Pages)
	}
	c.OneOf(at+".method", r.Method, []string{http.MethodGet, http.MethodPost})
}

// New implements Config.
func (o *Options) New(_ context.Context, name string, site *sources.Site) (*sources.Made, error) {
	made := &sources.Made{}
	client, err := o.Connection.Client(name, site, made)
	if err != nil {
		return nil, err
	}
	options, err := o.WithPreset(o.Preset)
	if err != nil {
		return nil, fmt.Errorf("identity source %s: %w", name, err)
	}
	options.Name, options.Timeout = name, o.Connection.Timeout
	source, err := New(options, client)
	if err != nil {
		return nil, err
	}
	remote.Guard(made, source, site)
	return made, nil
}
