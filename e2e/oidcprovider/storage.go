package oidcprovider

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The clients, and thereby the audiences, that tokens can be had for.
const (
	// Kubernetes is what people log in to for kubectl.
	Kubernetes = "kubernetes"
	// Wiki is another application of the same company.
	Wiki = "wiki"
)

const groupsScope = "groups"

var scopes = []string{oidc.ScopeOpenID, oidc.ScopeEmail, groupsScope}

// store is the library's example storage with keys that rotate, a lifetime that
// can be set, and groups.
type store struct {
	*storage.Storage
	keys     keyRing
	lifetime atomic.Int64 // nanoseconds
}

func newStore() (*store, error) {
	clients := map[string]*storage.Client{}
	for _, id := range []string{Kubernetes, Wiki} {
		clients[id] = storage.NativeClient(id, "http://127.0.0.1"+callbackPath)
	}
	s := &store{Storage: storage.NewStorageWithClients(people{}, clients)}
	s.lifetime.Store(int64(time.Hour))
	return s, s.keys.rotate(false)
}

// SigningKey implements op.AuthStorage.
func (s *store) SigningKey(context.Context) (op.SigningKey, error) { return s.keys.signing(), nil }

// SignatureAlgorithms implements op.AuthStorage.
func (s *store) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

// KeySet implements op.AuthStorage.
func (s *store) KeySet(context.Context) ([]op.Key, error) { return s.keys.published(), nil }

// GetClientByClientID implements op.OPStorage.
func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	known, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{known, time.Duration(s.lifetime.Load())}, nil
}

// SetUserinfoFromRequest implements op.CanSetUserinfoFromRequest: these are the
// claims of ID tokens.
func (s *store) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, request op.IDTokenRequest, asked []string) error {
	if err := s.Storage.SetUserinfoFromRequest(ctx, info, request, asked); err != nil {
		return err
	}
	for _, scope := range asked {
		if scope == groupsScope {
			info.AppendClaims("groups", groups[request.GetSubject()])
		}
	}
	return nil
}

// client is one of the library's that may ask for groups.
type client struct {
	op.Client
	lifetime time.Duration
}

// IDTokenLifetime implements op.Client.
func (c client) IDTokenLifetime() time.Duration { return c.lifetime }

// IsScopeAllowed implements op.Client, for the scopes that OpenID Connect does
// not know.
func (c client) IsScopeAllowed(scope string) bool { return scope == groupsScope }

// IDTokenUserinfoClaimsAssertion implements op.Client: the email address is in
// the ID token, not only for those who ask for it with the access token.
func (c client) IDTokenUserinfoClaimsAssertion() bool { return true }
