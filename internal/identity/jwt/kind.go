package jwt

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// Kind is the kind of sources of signed JSON Web Tokens (RFC 7519).
func Kind() sources.Kind {
	return sources.Kind{
		Name: typeName,
		Config: func() sources.Config {
			return &Options{
				Algorithms: jwtAlgorithmNames(), SubjectClaim: defaultSubjectClaim, AudienceClaim: defaultAudienceClaim,
				Leeway: sources.DefaultLeeway(), Connection: remote.DefaultConnection(),
			}
		},
		Example: func() identity.Identity {
			return identity.Identity{
				Type: typeName, Source: "corp", Subject: "248289761001", Audiences: []string{"kubernetes"}, Expires: sources.ExampleExpires(),
				Claims: identity.NewClaims(`{"aud":"kubernetes","email":"alice@example.com","email_verified":true,"exp":1924991999,` +
					`"groups":["team-payments"],"iat":1924988399,"iss":"https://login.example.com","sub":"248289761001"}`),
			}
		},
	}
}

// Check implements Config.
func (o *Options) Check(c sources.Checker) {
	c.Names("issuers", o.Issuers)
	if len(o.Issuers) == 0 && c.Readable("issuers") {
		c.Add("issuers", "required: the values of \"iss\" that tokens may have")
	}
	o.checkKeys(c)
	c.Names("audiences", o.Audiences)
	o.checkAlgorithms(c)
	o.Leeway.Check(c, "leeway")
	for name := range o.RequiredClaims {
		if name == "" {
			c.Add("requiredClaims", "has a claim without a name")
		}
	}
	if o.SubjectClaim == "" && c.Readable("subjectClaim") {
		c.Add("subjectClaim", "is empty: leave it out for \"sub\", and set subjectOptional for tokens that have no subject")
	}
	if o.AudienceClaim == "" && c.Readable("audienceClaim") {
		c.Add("audienceClaim", "is empty: leave it out for \"aud\", and set audienceOptional for tokens that have no audience")
	}
	o.Connection.Check(c, "connection")
}

// checkKeys checks where keys come from.
func (o *Options) checkKeys(c sources.Checker) {
	earlier := ""
	for _, place := range []struct{ name, value string }{{"discoveryURL", o.DiscoveryURL}, {"jwksURL", o.JWKSURL}, {"jwksFile", o.JWKSFile}} {
		if place.value == "" {
			continue
		}
		if earlier != "" {
			c.Add(place.name, "excludes %s: remove one of them", earlier)
		}
		earlier = place.name
	}
	switch {
	case o.DiscoveryURL != "" && len(o.Issuers) > 1:
		c.Add("discoveryURL", "belongs to one issuer, and there are %d: make a source of each", len(o.Issuers))
	case earlier == "":
		for i, issuer := range o.Issuers {
			at := fmt.Sprintf("issuers[%d]", i)
			if issuer == "" || issuer == googleIssuerShort || !c.Readable(at) {
				continue
			}
			if !c.URL(at, issuer) {
				c.Add(at, "without jwksURL or jwksFile its keys are looked for below it")
			}
		}
	}
	c.URL("discoveryURL", o.DiscoveryURL)
	c.URL("jwksURL", o.JWKSURL)
	c.File("jwksFile", &o.JWKSFile)
}

func (o *Options) checkAlgorithms(c sources.Checker) {
	c.Names("algorithms", o.Algorithms)
	if len(o.Algorithms) == 0 && c.Readable("algorithms") {
		c.Add("algorithms", "is empty, so that no token would be accepted: leave it out for all of %s", strings.Join(jwtAlgorithmNames(), ", "))
	}
	for i, algorithm := range o.Algorithms {
		if at := fmt.Sprintf("algorithms[%d]", i); algorithm != "" && c.Readable(at) {
			c.OneOf(at, algorithm, jwtAlgorithmNames())
		}
	}
}

// New implements Config.
func (o *Options) New(ctx context.Context, name string, site *sources.Site) (*sources.Made, error) {
	made, options, log := &sources.Made{}, *o, site.Named(name)
	options.Timeout, options.Metrics = o.Connection.Timeout, site.Metrics
	options.OnError = func(err error) {
		log.Warn("keys of an issuer could not be had; those there are stay in use", zap.Error(err))
	}
	options.OnChange = func(issuer string, keys int) {
		log.Info("keys of an issuer changed", zap.String("issuer", issuer), zap.Int("keys", keys))
	}
	if o.JWKSFile == "" {
		var err error
		if options.Client, err = o.Connection.Client(name, site, made); err != nil {
			return nil, err
		}
	}
	source, err := New(name, options)
	if err != nil {
		return nil, err
	}
	if !source.Remote() {
		if err := source.Load(ctx); err != nil {
			return nil, err
		}
	}
	made.Source, made.Run, made.Status = source, append(made.Run, source.Run), append(made.Status, source.Status)
	return made, nil
}
