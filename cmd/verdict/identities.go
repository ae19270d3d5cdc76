package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/internal/config"
	"github.com/verdict-dev/verdict/internal/identity"
	policyidentity "github.com/verdict-dev/verdict/policy/identity"
)

// kindOfSource is what the configuration and input.identity.type call it.
func kindOfSource(source config.IdentitySource) string {
	switch {
	case source.JWT != nil:
		return identity.JWTType
	case source.Introspection != nil:
		return identity.IntrospectionType
	case source.TokenFile != nil:
		return identity.TokenFileType
	case source.Secrets != nil:
		return identity.SecretsType
	default:
		return identity.HTTPType
	}
}

// identities are the configured sources, made and not yet running.
type identities struct {
	config   *config.Configuration
	log      *zap.Logger
	observer *observer
	metrics  *identity.Metrics

	sources []identity.Source
	// run keeps the sources up to date until their context is done.
	run []func(ctx context.Context)
	// details are lines for /readyz?verbose.
	details []func() string
}

// newIdentities makes every source of the configuration, and reads the files
// that they need. Nobody is asked over the network.
func newIdentities(ctx context.Context, c *config.Configuration, log *zap.Logger, o *observer, metrics *identity.Metrics) (*identities, error) {
	i := &identities{config: c, log: log, observer: o, metrics: metrics}
	var mistakes []error
	for at, source := range c.Authentication.Sources {
		if err := i.add(ctx, source); err != nil {
			mistakes = append(mistakes, fmt.Errorf("authentication.sources[%d]: %w", at, err))
		}
	}
	return i, errors.Join(mistakes...)
}

// checkIdentities says what is wrong with the sources that newIdentities finds.
func checkIdentities(ctx context.Context, c *config.Configuration) error {
	log := zap.NewNop()
	_, err := newIdentities(ctx, c, log, newObserver(log, prometheus.NewRegistry()), identity.NewMetrics(nil))
	if path := c.Authentication.RevokedFile; path != "" {
		err = errors.Join(err, identity.NewRevokedFile(path, func(*policyidentity.Revoked) {}).Load())
	}
	return err
}

func (i *identities) add(ctx context.Context, source config.IdentitySource) error {
	switch {
	case source.JWT != nil:
		return i.addJWT(ctx, source.Name, source.JWT)
	case source.Introspection != nil:
		return i.addIntrospection(source.Name, source.Introspection)
	case source.TokenFile != nil:
		return i.addTokenFile(source.Name, source.TokenFile.Path, identity.TokenFileFormat(source.TokenFile.Format))
	case source.Secrets != nil:
		return i.addSecrets(source.Name, source.Secrets)
	default:
		return i.addHTTP(source.Name, source.HTTP)
	}
}

func (i *identities) addJWT(ctx context.Context, name string, c *config.JWT) error {
	log := i.log.With(zap.String("source", name))
	options := identity.JWTOptions{
		Issuers:          c.Issuers,
		DiscoveryURL:     c.DiscoveryURL,
		JWKSURL:          c.JWKSURL,
		JWKSFile:         c.JWKSFile,
		Audiences:        c.Audiences,
		AudienceClaim:    c.AudienceClaim,
		AudienceOptional: c.AudienceOptional,
		Algorithms:       c.Algorithms,
		Leeway:           identity.Leeway(c.Leeway),
		RequiredClaims:   c.RequiredClaims,
		SubjectClaim:     c.SubjectClaim,
		SubjectOptional:  c.SubjectOptional,
		Timeout:          c.Connection.Timeout,
		Metrics:          i.metrics,
		OnError: func(err error) {
			log.Warn("keys of an issuer could not be had; those there are stay in use", zap.Error(err))
		},
		OnChange: func(issuer string, keys int) {
			log.Info("keys of an issuer changed", zap.String("issuer", issuer), zap.Int("keys", keys))
		},
	}
	if c.JWKSFile == "" {
		var err error
		if options.Client, err = i.client(name, &c.Connection); err != nil {
			return err
		}
	}
	source, err := identity.NewJWT(name, options)
	if err != nil {
		return err
	}
	if !source.Remote() {
		if err := source.Load(ctx); err != nil {
			return err
		}
	}
	i.sources = append(i.sources, source)
	i.run = append(i.run, source.Run)
	i.details = append(i.details, source.Status)
	return nil
}

func (i *identities) addIntrospection(name string, c *config.Introspection) error {
	client, err := i.client(name, &c.Connection)
	if err != nil {
		return err
	}
	source, err := identity.NewIntrospection(identity.IntrospectionOptions{
		Name:             name,
		URL:              c.URL,
		ClientID:         c.ClientID,
		ClientSecretFile: c.ClientSecretFile,
		MutualTLS:        c.Connection.CertFile != "",
		Issuer:           c.Issuer,
		Audiences:        c.Audiences,
		Leeway:           identity.Leeway(c.Leeway),
		Tokens:           tokensOf(c.Tokens),
		Timeout:          c.Connection.Timeout,
	}, client)
	if err != nil {
		return err
	}
	i.run = append(i.run, func(ctx context.Context) {
		source.Watch(ctx, i.reloaded("clientSecret", name), i.refused("clientSecret", name))
	})
	i.addBroken(source)
	return nil
}

func (i *identities) addHTTP(name string, c *config.HTTP) error {
	client, err := i.client(name, &c.Connection)
	if err != nil {
		return err
	}
	options := identity.HTTPSourceOptions{
		Name:         name,
		BaseURL:      c.BaseURL,
		AllowedHosts: c.AllowedHosts,
		Subject:      c.Subject,
		Expires:      c.Expires,
		Tokens:       tokensOf(c.Tokens),
		Timeout:      c.Connection.Timeout,
	}
	for _, request := range c.Requests {
		options.Requests = append(options.Requests, identity.HTTPRequest(request))
	}
	if options, err = options.WithPreset(string(c.Preset)); err != nil {
		return fmt.Errorf("identity source %s: %w", name, err)
	}
	source, err := identity.NewHTTPSource(options, client)
	if err != nil {
		return err
	}
	i.addBroken(source)
	return nil
}

func tokensOf(c config.Tokens) identity.Tokens {
	return identity.Tokens{Format: identity.TokenFormat(c.Format), Prefixes: c.Prefixes}
}

// addBroken adds a source that asks about each token, behind a circuit breaker.
func (i *identities) addBroken(source identity.RemoteSource) {
	log := i.log.With(zap.String("source", source.Name()))
	var mutex sync.Mutex
	state := ""
	set := func(text string) {
		mutex.Lock()
		defer mutex.Unlock()
		state = text
	}
	breaker := identity.NewBreaker(source, i.metrics, identity.BreakerOptions{
		OnOpen: func(err error) {
			set("identity source " + source.Name() + ": not asked until it is well again: " + err.Error())
			log.Error("an identity source is not asked until it is well again", zap.Error(err))
		},
		OnClose: func() {
			set("")
			log.Info("an identity source is well again")
		},
	})
	i.sources = append(i.sources, breaker)
	i.run = append(i.run, breaker.Run)
	i.details = append(i.details, func() string {
		mutex.Lock()
		defer mutex.Unlock()
		return state
	})
}

func (i *identities) addTokenFile(name, path string, format identity.TokenFileFormat) error {
	file, err := identity.NewTokenFile(name, path, nil, identity.WithFormat(format))
	if err != nil {
		return err
	}
	if err := file.Load(); err != nil {
		return err
	}
	warn := func() {
		for _, warning := range file.Warnings() {
			i.log.Warn(warning, zap.String("source", name))
		}
	}
	warn()
	reloaded := i.reloaded("tokenFile", name)
	i.sources = append(i.sources, file)
	i.run = append(i.run, func(ctx context.Context) {
		file.Watch(ctx, func() { reloaded(); warn() }, i.refused("tokenFile", name))
	})
	i.details = append(i.details, refusedChange(file.Err))
	return nil
}

// client reaches the host of a source.
func (i *identities) client(name string, c *config.Connection) (*http.Client, error) {
	client, files, err := identity.NewHTTPClient(identity.ConnectionOptions{
		Subject:  "identity source " + name,
		CAFile:   c.CAFile,
		CertFile: c.CertFile,
		KeyFile:  c.KeyFile,
		ProxyURL: c.ProxyURL,
		Timeout:  c.Timeout,
	})
	if err != nil {
		return nil, err
	}
	i.run = append(i.run, func(ctx context.Context) {
		files.Watch(ctx, i.reloaded("connection", name), i.refused("connection", name))
		client.CloseIdleConnections()
	})
	return client, nil
}

func (i *identities) reloaded(kind, name string) func() {
	return func() { i.observer.fileReloaded(kind, name, nil) }
}

func (i *identities) refused(kind, name string) func(error) {
	return func(err error) { i.observer.fileReloaded(kind, name, err) }
}

// refusedChange says that the newest state of a file is not in use.
func refusedChange(cause func() error) func() string {
	return func() string {
		if err := cause(); err != nil {
			return "the newest change was refused: " + err.Error()
		}
		return ""
	}
}
