package authconfig

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/util/cert"
)

// maxAuthenticators is how many issuers kube-apiserver takes.
const maxAuthenticators = 64

// matchAny is the only policy for audiences.
const matchAny = "MatchAny"

// Validate returns what kube-apiserver would refuse, by place, and the expressions
// that compile. An expression that kube-apiserver knows and Rego has no counterpart
// of is an error like any other. disallowed are issuers that kube-apiserver has for
// service accounts.
func Validate(c *Configuration, disallowed ...string) (*Expressions, field.ErrorList) {
	root := field.NewPath("jwt")
	if len(c.JWT) > maxAuthenticators {
		return nil, field.ErrorList{field.TooMany(root, len(c.JWT), maxAuthenticators)}
	}
	v := &validator{expressions: newExpressions(), disallowed: disallowed}
	issuers, discoveries := sets.New[string](), sets.New[string]()
	for i := range c.JWT {
		authenticator, at := &c.JWT[i], root.Index(i)
		v.authenticator(authenticator, at)
		if issuers.Has(authenticator.Issuer.URL) {
			v.add(field.Duplicate(at.Child("issuer", "url"), authenticator.Issuer.URL))
		}
		issuers.Insert(authenticator.Issuer.URL)
		if discovery := authenticator.Issuer.Discovery(); discovery != "" {
			if discoveries.Has(discovery) {
				v.add(field.Duplicate(at.Child("issuer", "discoveryURL"), discovery))
			}
			discoveries.Insert(discovery)
		}
	}
	if c.Anonymous != nil && !c.Anonymous.Enabled && len(c.Anonymous.Conditions) > 0 {
		v.add(field.Invalid(field.NewPath("anonymous", "conditions"), c.Anonymous.Conditions, "needs enabled: true"))
	}
	return v.expressions, v.problems
}

// Discovery is where the discovery document is, "" when it is below the issuer.
func (i *Issuer) Discovery() string {
	if i.DiscoveryURL == nil {
		return ""
	}
	return *i.DiscoveryURL
}

// validator collects what is wrong.
type validator struct {
	problems    field.ErrorList
	disallowed  []string
	expressions *Expressions
}

func (v *validator) add(problems ...*field.Error) { v.problems = append(v.problems, problems...) }

func (v *validator) authenticator(a *Authenticator, at *field.Path) {
	v.issuer(&a.Issuer, at.Child("issuer"))
	v.claimValidationRules(a.ClaimValidationRules, at.Child("claimValidationRules"))
	v.claimMappings(a, at)
	v.userValidationRules(a.UserValidationRules, at.Child("userValidationRules"))
}

func (v *validator) issuer(issuer *Issuer, at *field.Path) {
	if issuer.URL == "" {
		v.add(field.Required(at.Child("url"), "the value of \"iss\" that tokens have"))
	} else {
		if slices.Contains(v.disallowed, issuer.URL) {
			v.add(field.Invalid(at.Child("url"), issuer.URL, "is the API server's own issuer, for service accounts"))
		}
		v.url(issuer.URL, at.Child("url"))
	}
	if discovery := issuer.Discovery(); discovery != "" {
		if issuer.URL != "" && strings.TrimRight(issuer.URL, "/") == strings.TrimRight(discovery, "/") {
			v.add(field.Invalid(at.Child("discoveryURL"), discovery, "must not be the url"))
		}
		v.url(discovery, at.Child("discoveryURL"))
	}
	v.audiences(issuer, at)
	if issuer.CertificateAuthority != "" {
		if _, err := cert.NewPoolFromBytes([]byte(issuer.CertificateAuthority)); err != nil {
			v.add(field.Invalid(at.Child("certificateAuthority"), "<omitted>", err.Error()))
		}
	}
	if egress := issuer.EgressSelectorType; egress != "" && egress != "controlplane" && egress != "cluster" {
		v.add(field.Invalid(at.Child("egressSelectorType"), egress, "must be controlplane or cluster"))
	}
}

func (v *validator) url(address string, at *field.Path) {
	parsed, err := url.Parse(address)
	if err != nil {
		if problem, ok := errors.AsType[*url.Error](err); ok {
			err = problem.Err
		}
		v.add(field.Invalid(at, address, err.Error()))
		return
	}
	if parsed.Scheme != "https" {
		v.add(field.Invalid(at, address, "must be https"))
	}
	if parsed.User != nil {
		v.add(field.Invalid(at, address, "must not hold a user or password"))
	}
	if parsed.RawQuery != "" {
		v.add(field.Invalid(at, address, "must not have a query"))
	}
	if parsed.Fragment != "" {
		v.add(field.Invalid(at, address, "must not have a fragment"))
	}
}

func (v *validator) audiences(issuer *Issuer, at *field.Path) {
	if len(issuer.Audiences) == 0 {
		v.add(field.Required(at.Child("audiences"), "at least one"))
		return
	}
	seen := sets.New[string]()
	for i, audience := range issuer.Audiences {
		at := at.Child("audiences").Index(i)
		if audience == "" {
			v.add(field.Required(at, "an audience is not empty"))
		}
		if seen.Has(audience) {
			v.add(field.Duplicate(at, audience))
		}
		seen.Insert(audience)
	}
	policy := issuer.AudienceMatchPolicy
	switch {
	case policy == matchAny, policy == "" && len(issuer.Audiences) == 1:
	case len(issuer.Audiences) > 1:
		v.add(field.Invalid(at.Child("audienceMatchPolicy"), policy, "must be MatchAny with several audiences"))
	default:
		v.add(field.Invalid(at.Child("audienceMatchPolicy"), policy, "must be MatchAny or absent"))
	}
}

func both(at *field.Path, value string) *field.Error {
	return field.Invalid(at, value, "claim and expression exclude each other")
}

func message(format string, args ...any) string { return fmt.Sprintf(format, args...) }
