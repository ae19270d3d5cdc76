package policy

import (
	"context"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// reasonsOf reads an entry rule of the reasons form. The boolean form gives the
// rule's own path as its reason. Sorted; empty when the rule does not hold.
func reasonsOf(path string, value ast.Value) ([]string, error) {
	switch v := value.(type) {
	case ast.Boolean:
		if v {
			return []string{path}, nil
		}
		return nil, nil
	case ast.Set:
		return stringSet(path, v)
	default:
		return nil, shapeError(path, "must give a set of reasons or a boolean, not %s", document.KindOf(value))
	}
}

// reasons asks an entry rule of the reasons form.
func (v *View) reasons(ctx context.Context, index int, input source) ([]string, Expiry, error) {
	d, err := v.ask(ctx, v.rules[index], input)
	if err != nil {
		return nil, AtOnce, err
	}
	return d.value.([]string), d.expires, nil
}

func stringSet(path string, set ast.Set) ([]string, error) {
	out := make([]string, 0, set.Len())
	var err error
	set.Foreach(func(t *ast.Term) {
		s, ok := t.Value.(ast.String)
		if !ok {
			err = shapeError(path, "a reason is a string, not %s", document.KindOf(t.Value))
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

// Decision is what a policy says of a review that is allowed or denied.
type Decision struct {
	Outcome Outcome
	// Reasons are those of the rule that decided, sorted. They must not be changed.
	Reasons []string
	// Others are what the rules without an outcome say, by their names; nil when
	// they say nothing. They must not be changed.
	Others map[string][]string
	// Expires is until when the decision may be given again while its
	// generation is the current one.
	Expires Expiry
}

// Outcome is what a review comes to.
type Outcome string

// The outcomes. NoOpinion is of authorization alone.
const (
	Allow     Outcome = "allow"
	Deny      Outcome = "deny"
	NoOpinion Outcome = "noOpinion"
)

// Authorize decides a SubjectAccessReview in its v1 form, as Decide does.
func (v *View) Authorize(ctx context.Context, review document.Value) (Decision, error) {
	return v.Decide(ctx, AuthorizationPoint, review)
}

// Decide asks the rules of a point whose rules give reasons, as its row in the
// table of points says: deny wins, then allow, where the point has it. An error is
// ErrTimeout or an *EvaluationError; what is answered then is the caller's
// configuration, not the policy's.
func (v *View) Decide(ctx context.Context, point Point, input document.Value) (Decision, error) {
	decision := Decision{Outcome: points[point].otherwise, Expires: Never}
	for _, index := range askedRules[point] {
		reasons, expires, err := v.reasons(ctx, index, accessReview{input})
		if err != nil {
			return Decision{}, err
		}
		decision.Expires = min(decision.Expires, expires)
		if decision.add(&v.rules[index].ruleRow, reasons) {
			break
		}
	}
	return decision, nil
}

// add adds what a rule says, and reports whether that decides.
func (d *Decision) add(rule *ruleRow, reasons []string) bool {
	switch {
	case len(reasons) == 0:
		return false
	case rule.outcome != "":
		d.Outcome, d.Reasons = rule.outcome, reasons
		return true
	case d.Others == nil:
		d.Others = map[string][]string{}
	}
	d.Others[rule.name] = reasons
	return false
}

// User is who a token's bearer becomes: authentication.k8s.io UserInfo.
type User struct {
	Username string
	UID      string
	// Groups are in the order of the policy's list, sorted when it gives a set;
	// each is there once. nil when there are none.
	Groups []string
	// Extra holds values in the order of Groups; nil when there are none.
	Extra map[string][]string
}

// Authentication is what a policy says of an identity.
type Authentication struct {
	// User is who the caller is; nil when they are nobody. It must not be changed.
	User *User
	// Reasons say why they are nobody, for the log: apiserver shows none.
	Reasons []string
	// Expires is until when the decision may be given again while its
	// generation is the current one. The identity may expire earlier.
	Expires Expiry
}

// Authenticate maps a verified identity to a user, unless it is revoked. review
// is the TokenReview without its token. The caller is authenticated when the username is a
// non-empty string and nothing denies. An error is ErrTimeout or an
// *EvaluationError.
func (v *View) Authenticate(ctx context.Context, review document.Value, verified identity.Identity) (Authentication, error) {
	if reason := revokedReason(v.revoked, &verified); reason != "" {
		return Authentication{Reasons: []string{reason}, Expires: Never}, nil
	}
	path := v.rules[userRule].path
	if v.rules[userRule].evaluator == nil {
		return Authentication{Reasons: []string{"no policy gives " + path}, Expires: Never}, nil
	}
	// What the caller wrote there is no identity.
	review.Hide("identity")
	input := tokenReview{
		document.WithMember{Object: review, Name: identityKey, Value: document.NewDecoded(identityValue(&verified))},
		verified.Source + "/" + verified.Subject,
	}

	denials, expires, err := v.reasons(ctx, userDenyRule, input)
	if err != nil {
		return Authentication{}, err
	}
	if len(denials) > 0 {
		return Authentication{Reasons: denials, Expires: expires}, nil
	}
	d, err := v.ask(ctx, v.rules[userRule], input)
	if err != nil {
		return Authentication{}, err
	}
	user := d.value.(*User)
	decision := Authentication{Expires: min(expires, d.expires)}
	if user == nil {
		decision.Reasons = []string{path + " is undefined"}
		return decision, nil
	}
	if user.Username == "" {
		decision.Reasons = []string{path + ".username is empty"}
		return decision, nil
	}
	if decision.Reasons = v.reserved(user); len(decision.Reasons) == 0 {
		decision.User = user
	}
	return decision, nil
}

var identityKey = ast.StringTerm("identity")

// userOf reads the value of the user rule. Names must be strings: a number
// turned into a name would be a guess.
func userOf(path string, value ast.Value) (*User, error) {
	object, ok := value.(ast.Object)
	if !ok {
		return nil, shapeError(path, "must be an object, not %s", document.KindOf(value))
	}
	user := &User{}
	var err error
	if user.Username, err = stringAt(object, "username"); err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if user.UID, err = stringAt(object, "uid"); err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if user.Groups, err = names(document.Member(object, "groups")); err != nil {
		return nil, shapeError(path, "groups: %v", err)
	}
	extra, err := objectAt(object, "extra")
	if err != nil {
		return nil, shapeError(path, "%v", err)
	}
	if extra == nil || extra.Len() == 0 {
		return user, nil
	}
	user.Extra = make(map[string][]string, extra.Len())
	err = extra.Iter(func(k, v *ast.Term) error {
		key, ok := k.Value.(ast.String)
		if !ok {
			return shapeError(path, "extra: a key is a string, not %s", document.KindOf(k.Value))
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

// stringAt is the string at name, "" when it is absent or null.
func stringAt(object ast.Object, name string) (string, error) {
	switch v := document.Member(object, name).(type) {
	case nil, ast.Null:
		return "", nil
	case ast.String:
		return string(v), nil
	default:
		return "", fmt.Errorf("%s: must be a string, not %s", name, document.KindOf(v))
	}
}

// objectAt is the object at name, nil when it is absent or null.
func objectAt(object ast.Object, name string) (ast.Object, error) {
	switch v := document.Member(object, name).(type) {
	case nil, ast.Null:
		return nil, nil
	case ast.Object:
		return v, nil
	default:
		return nil, fmt.Errorf("%s: must be an object, not %s", name, document.KindOf(v))
	}
}

// names reads a list of strings, in its order and without repeats, or a set of
// them, sorted.
func names(value ast.Value) ([]string, error) {
	var out []string
	add := func(t *ast.Term) error {
		s, ok := t.Value.(ast.String)
		if !ok {
			return fmt.Errorf("must hold strings, not %s", document.KindOf(t.Value))
		}
		out = append(out, string(s))
		return nil
	}
	switch v := value.(type) {
	case nil, ast.Null:
		return nil, nil
	case ast.Set:
		err := v.Iter(add)
		slices.Sort(out)
		return out, err
	case *ast.Array:
		err := v.Iter(add)
		return once(out), err
	default:
		return nil, fmt.Errorf("must be a set or list of strings, not %s", document.KindOf(value))
	}
}

// once drops the strings that were there before, in place.
func once(list []string) []string {
	const few = 16 // below which comparing is cheaper than a map
	kept := list[:0]
	var seen map[string]bool
	if len(list) > few {
		seen = make(map[string]bool, len(list))
	}
	for _, text := range list {
		if seen[text] || seen == nil && slices.Contains(kept, text) {
			continue
		}
		if seen != nil {
			seen[text] = true
		}
		kept = append(kept, text)
	}
	return kept
}
