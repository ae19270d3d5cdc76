package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// evaluate runs the entry rule at path; a rule nobody wrote is undefined.
func (r *Revision) evaluate(ctx context.Context, path string, input ast.Value) (ast.Value, error) {
	rule, ok := r.rules[path]
	if !ok {
		return nil, nil
	}
	value, err := rule.Evaluate(ctx, input)
	if err != nil {
		return nil, r.evaluationError(ctx, path, err)
	}
	return value, nil
}

// reasons runs an entry rule of the reasons form. The boolean form gives the
// rule's own path as its reason. Sorted; empty when the rule does not hold.
func (r *Revision) reasons(ctx context.Context, path string, input ast.Value) ([]string, error) {
	value, err := r.evaluate(ctx, path, input)
	if err != nil {
		return nil, err
	}
	switch v := value.(type) {
	case nil:
		return nil, nil
	case ast.Boolean:
		if v {
			return []string{path}, nil
		}
		return nil, nil
	case ast.Set:
		return stringSet(path, v)
	default:
		return nil, shapeError(path, "must give a set of reasons or a boolean, not %s", kindOf(value))
	}
}

func stringSet(path string, set ast.Set) ([]string, error) {
	out := make([]string, 0, set.Len())
	var err error
	set.Foreach(func(t *ast.Term) {
		s, ok := t.Value.(ast.String)
		if !ok {
			err = shapeError(path, "a reason is a string, not %s", kindOf(t.Value))
			return
		}
		out = append(out, string(s))
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(out)
	return out, nil
}

// Authorization is what a policy says of a SubjectAccessReview.
type Authorization struct {
	// Outcome is allow, deny or noOpinion.
	Outcome AuthorizationOutcome
	// Reasons are those of the rules that decided, sorted.
	Reasons []string
}

// AuthorizationOutcome is one of the three things an authorizer can say.
type AuthorizationOutcome string

// The outcomes of authorization.
const (
	Allow     AuthorizationOutcome = "allow"
	Deny      AuthorizationOutcome = "deny"
	NoOpinion AuthorizationOutcome = "noOpinion"
)

// Authorize decides a SubjectAccessReview in its v1 form: deny wins, then
// allow, else no opinion. An error is ErrTimeout or an *EvaluationError; what
// is answered then is the caller's configuration, not the policy's.
func (r *Revision) Authorize(ctx context.Context, review Object) (Authorization, error) {
	denials, err := r.reasons(ctx, r.entries.AuthorizationDeny, review.value)
	if err != nil {
		return Authorization{}, err
	}
	if len(denials) > 0 {
		return Authorization{Outcome: Deny, Reasons: denials}, nil
	}
	grants, err := r.reasons(ctx, r.entries.AuthorizationAllow, review.value)
	if err != nil {
		return Authorization{}, err
	}
	if len(grants) > 0 {
		return Authorization{Outcome: Allow, Reasons: grants}, nil
	}
	return Authorization{Outcome: NoOpinion}, nil
}

// AuthorizationIsFixed reports whether Authorize gives the same decision for
// the same review for as long as the revision lives: whether no rule it can
// reach asks the clock, the network or chance.
func (r *Revision) AuthorizationIsFixed() bool {
	return r.fixed[r.entries.AuthorizationDeny] && r.fixed[r.entries.AuthorizationAllow]
}

// User is who a token's bearer becomes: authentication.k8s.io UserInfo.
type User struct {
	Username string
	UID      string
	Groups   []string            // sorted, nil when there are none
	Extra    map[string][]string // values sorted, nil when there is none
}

// Authentication is what a policy says of an identity.
type Authentication struct {
	// User is who the caller is; nil when they are nobody.
	User *User
	// Reasons say why they are nobody, for the log: apiserver shows none.
	Reasons []string
}

// Authenticate maps a verified identity to a user. review is the TokenReview
// without its token. The caller is authenticated when the username is a
// non-empty string and nothing denies. An error is ErrTimeout or an
// *EvaluationError.
func (r *Revision) Authenticate(ctx context.Context, review Object, identity Identity) (Authentication, error) {
	if r.rules[r.entries.AuthenticationUser] == nil {
		return Authentication{Reasons: []string{"no policy gives " + r.entries.AuthenticationUser}}, nil
	}
	claims, err := identityValue(identity)
	if err != nil {
		return Authentication{}, shapeError("input.identity", "%v", err)
	}
	input := review.With("identity", Field{value: claims}).value

	denials, err := r.reasons(ctx, r.entries.AuthenticationDeny, input)
	if err != nil {
		return Authentication{}, err
	}
	if len(denials) > 0 {
		return Authentication{Reasons: denials}, nil
	}
	path := r.entries.AuthenticationUser
	value, err := r.evaluate(ctx, path, input)
	if err != nil {
		return Authentication{}, err
	}
	if value == nil {
		return Authentication{Reasons: []string{path + " is undefined"}}, nil
	}
	user, err := userOf(path, value)
	if err != nil {
		return Authentication{}, err
	}
	if user.Username == "" {
		return Authentication{Reasons: []string{path + ".username is empty"}}, nil
	}
	if refused := r.systemNames(user); len(refused) > 0 {
		return Authentication{Reasons: refused}, nil
	}
	return Authentication{User: user}, nil
}

// systemNames lists the names the configuration does not let a policy give out.
func (r *Revision) systemNames(user *User) []string {
	var out []string
	refuse := func(kind, name string) {
		if strings.HasPrefix(name, "system:") && !r.allowedSystemNames[name] {
			out = append(out, fmt.Sprintf("the %s %q is Kubernetes' own: list it in authentication.allowedSystemNames to give it out", kind, name))
		}
	}
	refuse("username", user.Username)
	for _, group := range user.Groups {
		refuse("group", group)
	}
	return out
}

func identityValue(identity Identity) (ast.Value, error) {
	fields := map[string]any{
		"source":  identity.Source,
		"type":    identity.Type,
		"subject": identity.Subject,
	}
	if identity.Claims != nil {
		fields["claims"] = identity.Claims
	}
	if len(identity.Audiences) > 0 {
		fields["audiences"] = identity.Audiences
	}
	if !identity.Expires.IsZero() {
		fields["expires"] = identity.Expires.UTC().Format("2006-01-02T15:04:05Z07:00")
	}
	return ast.InterfaceToValue(fields)
}

// userOf reads the value of the user rule. Names must be strings: a number
// turned into a name would be a guess.
func userOf(path string, value ast.Value) (*User, error) {
	object, ok := value.(ast.Object)
	if !ok {
		return nil, shapeError(path, "must be an object, not %s", kindOf(value))
	}
	user := &User{}
	var err error
	fields := Object{value: object}
	if user.Username, err = fields.String("username"); err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if user.UID, err = fields.String("uid"); err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if user.Groups, err = names(fields.get("groups")); err != nil {
		return nil, shapeError(path, "groups: %v", err)
	}
	extra, err := fields.Object("extra")
	if err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if extra.IsZero() || extra.value.Len() == 0 {
		return user, nil
	}
	user.Extra = make(map[string][]string, extra.value.Len())
	err = extra.value.Iter(func(k, v *ast.Term) error {
		key, ok := k.Value.(ast.String)
		if !ok {
			return shapeError(path, "extra: a key is a string, not %s", kindOf(k.Value))
		}
		values, err := names(v.Value)
		if err != nil {
			return shapeError(path, "extra[%q]: %v", string(key), err)
		}
		if len(values) > 0 {
			user.Extra[string(key)] = values
		}
		return nil
	})
	return user, err
}

// names reads a set or list of strings, sorted and without repeats.
func names(value ast.Value) ([]string, error) {
	var out []string
	add := func(t *ast.Term) error {
		s, ok := t.Value.(ast.String)
		if !ok {
			return fmt.Errorf("must hold strings, not %s", kindOf(t.Value))
		}
		out = append(out, string(s))
		return nil
	}
	var err error
	switch v := value.(type) {
	case nil, ast.Null:
		return nil, nil
	case ast.Set:
		err = v.Iter(add)
	case *ast.Array:
		err = v.Iter(add)
	default:
		return nil, fmt.Errorf("must be a set or list of strings, not %s", kindOf(value))
	}
	slices.Sort(out)
	return slices.Compact(out), err
}
