package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/sealer"
)

// typeName is what the configuration and input.identity.type call the kind.
const typeName = "secrets"

// Options say what Secrets accept.
type Options struct {
	// Namespace is where the Secrets are that New has followed.
	Namespace string `yaml:"namespace"`
	// GroupPrefixes are what each group of a user has to begin with; none means
	// that no Secret may name groups. UsernamePrefixes likewise for usernames,
	// but none means any. No prefix may be empty.
	//
	// Every user that may write Secrets in the namespace makes users. The prefixes keep
	// them from making members of groups that mean more elsewhere.
	GroupPrefixes    []string `yaml:"groupPrefixes"`
	UsernamePrefixes []string `yaml:"usernamePrefixes"`
	// OnRefused is called when a Secret is refused that was not, or for another
	// reason: namespace/name and the reason, without what the Secret holds. It
	// must return quickly.
	OnRefused func(error) `yaml:"-"`
	// Metrics count the Secrets; nil means that none are counted.
	Metrics *sources.Metrics `yaml:"-"`
	// Now is the clock that tokens expire by; nil means time.Now.
	Now func() time.Time `yaml:"-"`
}

// secretSource verifies tokens whose digests are in labelled Secrets of one namespace,
// TokenSecret says in which form. Only what a verified token proves is kept of
// them.
//
// A Secret that is not right is refused alone, and so is one with a group or
// username that the prefixes do not allow: as a whole, since a user with some of
// their groups may be allowed more than with all of them. Of two Secrets with
// the digest of one token both are refused: there is no way to tell
// which of the users is meant.
//
// The methods may be called from several goroutines.
type secretSource struct {
	Options
	name       string
	watcher    sources.SecretWatcher
	keys       *sealer.Sealer
	generation atomic.Uint64

	mu      sync.RWMutex // guards what follows
	secrets map[secretName]*heldSecret
	// holders are the Secrets with the digest of one token that are right in
	// themselves.
	holders    map[sealer.Key][]*heldSecret
	refused    map[refusalReason]int
	duplicates int // Secrets that share their digest
}

var (
	_ sources.Source         = (*secretSource)(nil)
	_ sources.SecretReceiver = (*secretSource)(nil)
)

// newSource returns the source called name that verifies against the Secrets
// that watcher follows, which it does from Run on.
func newSource(name string, watcher sources.SecretWatcher, options Options) (*secretSource, error) {
	if slices.Contains(options.GroupPrefixes, "") || slices.Contains(options.UsernamePrefixes, "") {
		return nil, fmt.Errorf("identity source %s: an empty prefix would allow every name", name)
	}
	if options.OnRefused == nil {
		options.OnRefused = func(error) {}
	}
	if options.Metrics == nil {
		options.Metrics = sources.NewMetrics(nil)
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	s := &secretSource{
		Options: options,
		name:    name,
		watcher: watcher,
		keys:    sealer.New(),
		secrets: map[secretName]*heldSecret{},
		holders: map[sealer.Key][]*heldSecret{},
		refused: map[refusalReason]int{},
	}
	s.count()
	return s, nil
}

// Run follows the Secrets until ctx is done. It can be called once.
func (s *secretSource) Run(ctx context.Context) { s.watcher.Run(ctx, s) }

// Name implements Source.
func (s *secretSource) Name() string { return s.name }

// Applies implements Source: a Secret may hold the digest of any token.
func (s *secretSource) Applies(*sources.Token) bool { return true }

// Remote implements Source: the Secrets are in memory.
func (s *secretSource) Remote() bool { return false }

// Verify implements Source. What it returns is shared: callers must not change
// the claims or the audiences.
func (s *secretSource) Verify(_ context.Context, token *sources.Token) (identity.Identity, error) {
	// Before all Secrets are known none of them is known to be the only one.
	if err := s.Ready(); err != nil {
		return identity.Identity{}, err
	}
	digest := token.SHA256()
	key := s.keys.Key(digest[:])
	s.mu.RLock()
	holders := len(s.holders[key])
	held := s.inEffect(key)
	s.mu.RUnlock()
	switch {
	case held != nil:
		return userlist.WhileValid(held.identity, s.Now())
	case holders > 0:
		return identity.Identity{}, fmt.Errorf("%w: %d Secrets have its digest", identity.ErrUnknownToken, holders)
	}
	return identity.Identity{}, identity.ErrUnknownToken
}

// Ready implements Source: it returns nil once every Secret was received. It
// stays nil when contact with the API server is lost; Status tells that.
func (s *secretSource) Ready() error {
	if err := s.watcher.Ready(); err != nil {
		return fmt.Errorf("identity source %s: %w: %w", s.name, identity.ErrNotLoaded, err)
	}
	return nil
}

// Generation implements Source. A change of a Secret that changes nothing about
// any token, such as an annotation, leaves it as it is.
func (s *secretSource) Generation() uint64 { return s.generation.Load() }

// Status says in a line, for people, how many tokens there are, the expired ones
// included, how many Secrets are refused, and how the contact with the API
// server is.
func (s *secretSource) Status() string {
	s.mu.RLock()
	refused := s.refusedSecrets()
	tokens := len(s.secrets) - refused
	s.mu.RUnlock()
	return fmt.Sprintf("identity source %s: %d tokens, %d Secrets refused, %s", s.name, tokens, refused, s.watcher.Status())
}

// secretName tells Secrets apart.
type secretName struct{ namespace, name string }

func (n secretName) String() string { return n.namespace + "/" + n.name }

// heldSecret is what is kept of a Secret.
type heldSecret struct {
	name secretName
	// refusal says what is wrong with it in itself; nil for nothing.
	refusal *secretRefusal
	// What its token proves, and where that is found.
	key      sealer.Key
	identity identity.Identity
}

// refusal is why a Secret is refused.
type secretRefusal struct {
	reason refusalReason
	detail string
}

// refusalReason is a value of a label of the metrics.
type refusalReason string

const (
	refusedType      refusalReason = "type"
	refusedMalformed refusalReason = "malformed"
	refusedGroup     refusalReason = "group"
	refusedUsername  refusalReason = "username"
	refusedDuplicate refusalReason = "duplicate"
)

// SecretChanged implements SecretReceiver.
func (s *secretSource) SecretChanged(secret sources.TokenSecret) {
	held := &heldSecret{name: secretName{secret.Namespace, secret.Name}}
	s.read(held, secret)
	s.change(held.name, held)
}

// SecretRemoved implements SecretReceiver.
func (s *secretSource) SecretRemoved(namespace, name string) {
	s.change(secretName{namespace, name}, nil)
}

// read fills in what the Secret says, or what is wrong with it.
func (s *secretSource) read(held *heldSecret, secret sources.TokenSecret) {
	refuse := func(reason refusalReason, format string, args ...any) {
		held.refusal = &secretRefusal{reason, fmt.Sprintf(format, args...)}
	}
	if secret.Type != sources.TokenSecretType {
		refuse(refusedType, "is of another type than %s", sources.TokenSecretType)
		return
	}
	entry, err := parseTokenSecret(secret.Data)
	if err != nil {
		refuse(refusedMalformed, "%s", err)
		return
	}
	if len(s.UsernamePrefixes) > 0 && !hasPrefix(entry.Username, s.UsernamePrefixes) {
		refuse(refusedUsername, "username: begins with none of %s", quoted(s.UsernamePrefixes))
		return
	}
	for i, group := range entry.Groups {
		switch {
		case len(s.GroupPrefixes) == 0:
			refuse(refusedGroup, "groups: no group may be named here")
			return
		case !hasPrefix(group, s.GroupPrefixes):
			refuse(refusedGroup, "groups, line %d: begins with none of %s", i+1, quoted(s.GroupPrefixes))
			return
		}
	}
	if held.key, err = userlist.Key(s.keys, entry); err == nil {
		held.identity, err = entry.Identity(s.name, typeName)
	}
	if err != nil {
		// Its text may hold what the Secret does.
		refuse(refusedMalformed, "cannot be read")
	}
}

func hasPrefix(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

func quoted(prefixes []string) string {
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%q", prefixes), "["), "]")
}

// change puts next in the place of the Secret of that name; nil takes it away.
func (s *secretSource) change(name secretName, next *heldSecret) {
	s.mu.Lock()
	previous := s.secrets[name]
	var keys []sealer.Key
	for _, held := range []*heldSecret{previous, next} {
		if held != nil && held.refusal == nil {
			keys = append(keys, held.key)
		}
	}
	before := s.allInEffect(keys)
	s.drop(previous)
	s.add(name, next)
	if !slices.EqualFunc(before, s.allInEffect(keys), sameToken) {
		s.generation.Add(1)
	}
	s.count()
	refusals := s.newRefusals(previous, next)
	s.mu.Unlock()
	for _, err := range refusals {
		s.OnRefused(err)
	}
}

// inEffect is the Secret that decides about a token; nil for none. s.mu is held.
func (s *secretSource) inEffect(key sealer.Key) *heldSecret {
	if holders := s.holders[key]; len(holders) == 1 {
		return holders[0]
	}
	return nil
}

func (s *secretSource) allInEffect(keys []sealer.Key) []*heldSecret {
	out := make([]*heldSecret, len(keys))
	for i, key := range keys {
		out[i] = s.inEffect(key)
	}
	return out
}

// sameToken reports whether both say the same of one token.
func sameToken(a, b *heldSecret) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.identity.Claims.Text() == b.identity.Claims.Text() && slices.Equal(a.identity.Audiences, b.identity.Audiences) &&
		a.identity.Expires.Equal(b.identity.Expires)
}

// drop takes a Secret out, if there is one. s.mu is held, as by add.
func (s *secretSource) drop(held *heldSecret) {
	switch {
	case held == nil:
		return
	case held.refusal != nil:
		s.refused[held.refusal.reason]--
	default:
		s.setHolders(held.key, slices.DeleteFunc(slices.Clone(s.holders[held.key]), func(other *heldSecret) bool { return other == held }))
	}
	delete(s.secrets, held.name)
}

func (s *secretSource) add(name secretName, held *heldSecret) {
	switch {
	case held == nil:
		return
	case held.refusal != nil:
		s.refused[held.refusal.reason]++
	default:
		s.setHolders(held.key, append(slices.Clone(s.holders[held.key]), held))
	}
	s.secrets[name] = held
}

func (s *secretSource) setHolders(key sealer.Key, holders []*heldSecret) {
	sharing := func(n int) int {
		if n == 1 {
			return 0
		}
		return n
	}
	s.duplicates += sharing(len(holders)) - sharing(len(s.holders[key]))
	if len(holders) == 0 {
		delete(s.holders, key)
		return
	}
	s.holders[key] = holders
}

func (s *secretSource) refusedSecrets() int {
	total := s.duplicates
	for _, n := range s.refused {
		total += n
	}
	return total
}

// count shows the metrics how many Secrets there are.
func (s *secretSource) count() {
	s.Metrics.SecretsHeld(s.name, "accepted", len(s.secrets)-s.refusedSecrets())
	for _, reason := range []refusalReason{refusedType, refusedMalformed, refusedGroup, refusedUsername} {
		s.Metrics.SecretsHeld(s.name, string(reason), s.refused[reason])
	}
	s.Metrics.SecretsHeld(s.name, string(refusedDuplicate), s.duplicates)
}

// newRefusals are the Secrets that are refused since next took the place of
// previous.
func (s *secretSource) newRefusals(previous, next *heldSecret) []error {
	if next == nil {
		return nil
	}
	if next.refusal != nil {
		if previous != nil && previous.refusal != nil && *previous.refusal == *next.refusal {
			return nil
		}
		return []error{s.refusalOf(next, next.refusal.detail)}
	}
	if previous != nil && previous.refusal == nil && previous.key == next.key {
		return nil // it shares its digest with whom it did before
	}
	holders := s.holders[next.key]
	if len(holders) == 1 {
		return nil
	}
	const detail = "sha256: is that of Secret %s too: each token is one user's, so both are refused"
	refusals := []error{s.refusalOf(next, fmt.Sprintf(detail, holders[0].name))}
	if len(holders) == 2 { // the other one was alone so far
		refusals = append(refusals, s.refusalOf(holders[0], fmt.Sprintf(detail, next.name)))
	}
	return refusals
}

func (s *secretSource) refusalOf(held *heldSecret, detail string) error {
	return errors.New("identity source " + s.name + ": Secret " + held.name.String() + " is refused: " + detail)
}
