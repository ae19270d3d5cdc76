package identity

import (
	"context"

	"github.com/verdict-dev/verdict/policy/identity"
)

func introspectionKind() Kind {
	return Kind{
		Name: IntrospectionType,
		Config: func() Config {
			return &IntrospectionOptions{Tokens: Tokens{Format: TokenFormatOpaque}, Leeway: defaultLeeway(), Connection: defaultConnection()}
		},
		Example: func() identity.Identity {
			return identity.Identity{
				Type: IntrospectionType, Source: "opaque", Subject: "Z5O3upPC88QrAjx00dis", Expires: exampleExpires(),
				Claims: identity.NewClaims(`{"active":true,"client_id":"cli","exp":1924991999,"iss":"https://as.example.com/",` +
					`"scope":"openid groups","sub":"Z5O3upPC88QrAjx00dis","username":"alice"}`),
			}
		},
	}
}

// Check implements Config.
func (o *IntrospectionOptions) Check(c Checker) {
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
	o.Leeway.check(c, "leeway")
	o.Tokens.checkConfig(c, "tokens")
	o.Connection.check(c, "connection")
}

// New implements Config.
func (o *IntrospectionOptions) New(_ context.Context, name string, site *Site) (*Made, error) {
	made, options := &Made{}, *o
	options.Name, options.MutualTLS, options.Timeout = name, o.Connection.CertFile != "", o.Connection.Timeout
	client, err := o.Connection.client(name, site, made)
	if err != nil {
		return nil, err
	}
	source, err := NewIntrospection(options, client)
	if err != nil {
		return nil, err
	}
	onReload, onError := site.fileRead("clientSecret", name)
	made.Run = append(made.Run, func(ctx context.Context) { source.Watch(ctx, onReload, onError) })
	made.guard(source, site)
	return made, nil
}
