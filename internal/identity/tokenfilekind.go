package identity

import (
	"context"

	"go.uber.org/zap"

	"github.com/verdict-dev/verdict/policy/identity"
)

// TokenFileConfig is what the configuration says of a file that lists users and
// their tokens, or hashes of these.
type TokenFileConfig struct {
	Path   string          `yaml:"path"`
	Format TokenFileFormat `yaml:"format"`
}

func tokenFileKind() Kind {
	return Kind{
		Name:   TokenFileType,
		Config: func() Config { return &TokenFileConfig{Format: TokenFileYAML} },
		Example: func() identity.Identity {
			return identity.Identity{
				Type: TokenFileType, Source: "local", Subject: "alice",
				Audiences: []string{"https://kubernetes.default.svc"}, Expires: exampleExpires(),
				Claims: identity.NewClaims(`{"extra":{"department":["payments"]},"groups":["team-payments"],"uid":"1001","username":"alice"}`),
			}
		},
	}
}

// Check implements Config.
func (o *TokenFileConfig) Check(c Checker) {
	c.OneOf("format", string(o.Format), []string{string(TokenFileYAML), string(TokenFileCSV)})
	switch {
	case !c.Readable("path"):
	case o.Path == "":
		c.Add("path", "required: the file that lists users and the hashes of their tokens")
	default:
		c.File("path", &o.Path)
	}
}

// New implements Config.
func (o *TokenFileConfig) New(_ context.Context, name string, site *Site) (*Made, error) {
	file, err := NewTokenFile(name, o.Path, nil, WithFormat(o.Format))
	if err != nil {
		return nil, err
	}
	if err := file.Load(); err != nil {
		return nil, err
	}
	warn := func() {
		for _, warning := range file.Warnings() {
			site.Log.Warn(warning, zap.String("source", name))
		}
	}
	warn()
	onReload, onError := site.fileRead("tokenFile", name)
	return &Made{
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
