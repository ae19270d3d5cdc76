package tokenfile

import (
	"context"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// Config is what the configuration says of a file that lists users and
// their tokens, or hashes of these.
type Config struct {
	Path   string `yaml:"path"`
	Format Format `yaml:"format"`
}

// Kind is the kind of sources that read a file of users.
func Kind() sources.Kind {
	return sources.Kind{
		Name:   typeName,
		Config: func() sources.Config { return &Config{Format: YAML} },
		Example: func() identity.Identity {
			return identity.Identity{
				Type: typeName, Source: "local", Subject: "alice",
				Audiences: []string{"https://kubernetes.default.svc"}, Expires: sources.ExampleExpires(),
				Claims: identity.NewClaims(`{"extra":{"department":["payments"]},"groups":["team-payments"],"uid":"1001","username":"alice"}`),
			}
		},
	}
}

// Check implements Config.
func (o *Config) Check(c sources.Checker) {
	c.OneOf("format", string(o.Format), []string{string(YAML), string(CSV)})
	switch {
	case !c.Readable("path"):
	case o.Path == "":
		c.Add("path", "required: the file that lists users and the hashes of their tokens")
	default:
		c.File("path", &o.Path)
	}
}

// New implements Config.
func (o *Config) New(_ context.Context, name string, site *sources.Site) (*sources.Made, error) {
	file, err := newSource(name, o.Path, nil, withFormat(o.Format))
	if err != nil {
		return nil, err
	}
	if err := file.Load(); err != nil {
		return nil, err
	}
	warn := func() {
		for _, warning := range file.warnings() {
			site.Log.Warn(warning, zap.String("source", name))
		}
	}
	warn()
	onReload, onError := site.WatchCallbacks("tokenFile", name)
	return &sources.Made{
		Source: file,
		Run: []func(ctx context.Context){func(ctx context.Context) {
			file.Watch(ctx, func() { onReload(); warn() }, onError)
		}},
		Status: []func() string{func() string {
			if err := file.Err(); err != nil {
				return "the newest change was refused: " + err.Error()
			}
			return ""
		}},
	}, nil
}
