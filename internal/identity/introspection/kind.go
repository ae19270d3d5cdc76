package introspection

import (
	"context"

	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// Kind is the kind of sources that ask an authorization server (RFC 7662).
func Kind() sources.Kind {
	return sources.Kind{
		Name: typeName,
		Config: func() sources.Config {
			return &Options{Tokens: remote.Tokens{Format: remote.TokenFormatOpaque}, Leeway: sources.DefaultLeeway(), Connection: remote.DefaultConnection()}
		},
		Example: func() identity.Identity {
			return identity.Identity{
				Type: typeName, Source: "opaque", Subject: "Z5O3upPC88QrAjx00dis", Expires: sources.ExampleExpires(),
				Claims: identity.NewClaims(`{"active":true,"client_id":"cli","exp":1924991999,"iss":"https://as.example.com/",` +
					`"scope":"openid groups","sub":"Z5O3upPC88QrAjx00dis","username":"alice"}`),
			}
		},
	}
}

// Check implements Config.
func (o *Options) Check(c sources.Checker) {
	if o.URL == "" && c.Readable("url") {
		c.Add("url", "required: the introspection endpoint of the authorization server (RFC 7662)")
	} else {
		c.URL("url", o.URL)
	}
	c.File("clientSecretFile", &o.ClientSecretFile)
	switch {
	case o.ClientID == "" && c.Readable("clientID"):
		c.Add("clientID", "required: the name under which the authorization server knows Verdict")
	case o.ClientSecretFile == "" && o.Connection.CertFile == "" && c.Readable("clientSecretFile"):
		c.Add("", "the authorization server has to know who asks (RFC 7662 §2.1): set clientSecretFile, or connection.certFile and keyFile")
	}
	c.Names("audiences", o.Audiences)
	o.Leeway.Check(c, "leeway")
	o.Tokens.CheckConfig(c, "tokens")
	o.Connection.Check(c, "connection")
}

// New implements Config.
func (o *Options) New(_ context.Context, name string, site *sources.Site) (*sources.Made, error) {
	made, options := &sources.Made{}, *o
	options.Name, options.MutualTLS, options.Timeout = name, o.Connection.CertFile != "", o.Connection.Timeout
	client, err := o.Connection.Client(name, site, made)
	if err != nil {
		return nil, err
	}
	source, err := New(options, client)
	if err != nil {
		return nil, err
	}
	onReload, onError := site.WatchCallbacks("clientSecret", name)
	made.Run = append(made.Run, func(ctx context.Context) { source.Watch(ctx, onReload, onError) })
	remote.Guard(made, source, site)
	return made, nil
}
