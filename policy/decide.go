package policy

import (
	"context"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// reasons asks an entry rule of the reasons form.
func (v *View) reasons(ctx context.Context, index int, input source) ([]string, Expiry, error) {
	d, err := v.ask(ctx, v.rules[index], input)
	if err != nil {
		return nil, AtOnce, err
	}
	return d.value.([]string), d.expires, nil
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

// Authentication is what a policy says of an identity.
type Authentication struct {
	// User is the caller's user; nil when the caller is not authenticated. It must not
	// be changed.
	User *User
	// Reasons say why the caller is not authenticated, for the log: apiserver shows none.
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
	// An identity that the caller wrote there is none.
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
	if decision.Reasons = v.allowed.reserved(user); len(decision.Reasons) == 0 {
		decision.User = user
	}
	return decision, nil
}

var identityKey = ast.StringTerm("identity")
