package secrets

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// Kind is the kind of sources that read labelled Secrets of the cluster.
func Kind() sources.Kind {
	return sources.Kind{
		Name:   typeName,
		Config: func() sources.Config { return &Options{} },
		Example: func() identity.Identity {
			return identity.Identity{
				Type: typeName, Source: "robots", Subject: "robot-ci", Expires: sources.ExampleExpires(),
				Claims: identity.NewClaims(`{"groups":["robots-deploy"],"username":"robot-ci"}`),
			}
		},
	}
}

// Check implements Config.
func (o *Options) Check(c sources.Checker) {
	switch {
	case !c.Readable("namespace"):
	case o.Namespace == "":
		c.Add("namespace", "required: the namespace of the Secrets; a user that may write Secrets there can create users")
	case len(validation.IsDNS1123Label(o.Namespace)) > 0:
		c.Add("namespace", "%s is not the name of a namespace", sources.QuoteShort(o.Namespace))
	}
	c.Names("groupPrefixes", o.GroupPrefixes)
	c.Names("usernamePrefixes", o.UsernamePrefixes)
	if !c.HasCluster() {
		c.Add("", "needs the cluster: set cluster.kubeconfig or cluster.inCluster")
	}
}

// New implements Config.
func (o *Options) New(_ context.Context, name string, site *sources.Site) (*sources.Made, error) {
	watcher, err := site.Secrets(o.Namespace, func(err error) {
		if !errors.Is(err, context.Canceled) {
			site.Named(name).Warn("watching the cluster's Secrets", zap.Error(err))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("identity source %s: %w", name, err)
	}
	options := *o
	options.Metrics = site.Metrics
	options.OnRefused = func(err error) { site.Log.Warn("Secret refused", zap.Error(err)) }
	source, err := newSource(name, watcher, options)
	if err != nil {
		return nil, err
	}
	return &sources.Made{Source: source, Run: []func(context.Context){source.Run}, Status: []func() string{source.Status}}, nil
}
