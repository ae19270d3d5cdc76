package identity

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/verdict-dev/verdict/policy/identity"
)

func secretsKind() Kind {
	return Kind{
		Name:   SecretsType,
		Config: func() Config { return &SecretsOptions{} },
		Example: func() identity.Identity {
			return identity.Identity{
				Type: SecretsType, Source: "robots", Subject: "robot-ci", Expires: exampleExpires(),
				Claims: identity.NewClaims(`{"groups":["robots-deploy"],"username":"robot-ci"}`),
			}
		},
	}
}

// Check implements Config.
func (o *SecretsOptions) Check(c Checker) {
	switch {
	case !c.Readable("namespace"):
	case o.Namespace == "":
		c.Add("namespace", "required: the namespace of the Secrets; whoever may write Secrets there can make users")
	case len(validation.IsDNS1123Label(o.Namespace)) > 0:
		c.Add("namespace", "%s is not the name of a namespace", quoteShort(o.Namespace))
	}
	c.Names("groupPrefixes", o.GroupPrefixes)
	c.Names("usernamePrefixes", o.UsernamePrefixes)
	if !c.HasCluster() {
		c.Add("", "needs the cluster: set cluster.kubeconfig or cluster.inCluster")
	}
}

// New implements Config.
func (o *SecretsOptions) New(_ context.Context, name string, site *Site) (*Made, error) {
	watcher, err := site.Secrets(o.Namespace, func(err error) {
		if !errors.Is(err, context.Canceled) {
			site.named(name).Warn("watching the cluster's Secrets", zap.Error(err))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("identity source %s: %w", name, err)
	}
	options := *o
	options.Metrics = site.Metrics
	options.OnRefused = func(err error) { site.Log.Warn("Secret refused", zap.Error(err)) }
	source, err := NewSecrets(name, watcher, options)
	if err != nil {
		return nil, err
	}
	return &Made{Source: source, Run: []func(context.Context){source.Run}, Status: []func() string{source.Status}}, nil
}
