package authconfig

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/verdict-dev/verdict/internal/importer/celrego"
)

// Expressions are those of a Configuration, compiled, by the path of their fields.
type Expressions struct {
	compiled map[string]*celrego.Expression
}

func newExpressions() *Expressions {
	return &Expressions{compiled: map[string]*celrego.Expression{}}
}

// At returns the expression at a path such as jwt[0].claimMappings.uid.expression,
// nil when there is none.
func (e *Expressions) At(at *field.Path) *celrego.Expression { return e.compiled[at.String()] }

// compile notes the expression at a path, and returns nil when it is wrong.
func (v *validator) compile(source string, variable celrego.Variable, mustHold bool, at *field.Path) *celrego.Expression {
	expression, err := celrego.Compile(source, variable)
	switch {
	case err != nil:
		v.add(field.Invalid(at, source, err.Error()))
		return nil
	case mustHold && !expression.IsBool():
		v.add(field.Invalid(at, source, message("gives %s: must give true or false", expression.Output())))
		return nil
	}
	v.expressions.compiled[at.String()] = expression
	return expression
}

func (v *validator) claimValidationRules(rules []ClaimValidationRule, at *field.Path) {
	claims, expressions := sets.New[string](), sets.New[string]()
	for i, rule := range rules {
		at := at.Index(i)
		switch {
		case rule.Claim != "" && rule.Expression != "":
			v.add(both(at, rule.Claim))
		case rule.Claim == "" && rule.Expression == "":
			v.add(field.Required(at, "a claim or an expression"))
		case rule.Claim != "":
			if rule.Message != "" {
				v.add(field.Invalid(at.Child("message"), rule.Message, "belongs to an expression"))
			}
			if claims.Has(rule.Claim) {
				v.add(field.Duplicate(at.Child("claim"), rule.Claim))
			}
			claims.Insert(rule.Claim)
		default:
			if rule.RequiredValue != "" {
				v.add(field.Invalid(at.Child("requiredValue"), rule.RequiredValue, "belongs to a claim"))
			}
			if expressions.Has(rule.Expression) {
				v.add(field.Duplicate(at.Child("expression"), rule.Expression))
				continue
			}
			expressions.Insert(rule.Expression)
			v.compile(rule.Expression, celrego.Claims, true, at.Child("expression"))
		}
	}
}

func (v *validator) userValidationRules(rules []UserValidationRule, at *field.Path) {
	seen := sets.New[string]()
	for i, rule := range rules {
		at := at.Index(i).Child("expression")
		switch {
		case rule.Expression == "":
			v.add(field.Required(at, "what has to be true of the user"))
		case seen.Has(rule.Expression):
			v.add(field.Duplicate(at, rule.Expression))
		default:
			seen.Insert(rule.Expression)
			v.compile(rule.Expression, celrego.User, true, at)
		}
	}
}

func (v *validator) claimMappings(a *Authenticator, root *field.Path) {
	m, at := &a.ClaimMappings, root.Child("claimMappings")
	username := v.prefixed(&m.Username, at.Child("username"), true)
	v.prefixed(&m.Groups, at.Child("groups"), false)
	switch {
	case m.UID.Claim != "" && m.UID.Expression != "":
		v.add(both(at.Child("uid"), ""))
	case m.UID.Expression != "":
		v.compile(m.UID.Expression, celrego.Claims, false, at.Child("uid", "expression"))
	}
	verified := username != nil && username.Selects("email_verified")
	for i, rule := range a.ClaimValidationRules {
		_ = rule
		e := v.expressions.At(root.Child("claimValidationRules").Index(i).Child("expression"))
		verified = verified || e != nil && e.Selects("email_verified")
	}
	verified = v.extra(m.Extra, at.Child("extra")) || verified
	if username != nil && username.Selects("email") && !verified {
		v.add(field.Invalid(at.Child("username", "expression"), m.Username.Expression,
			"reads claims.email: claims.email_verified has to be read here, in the value of an extra attribute, or in a claim validation rule"))
	}
}

// extra returns whether one of the mappings reads claims.email_verified.
func (v *validator) extra(mappings []ExtraMapping, at *field.Path) (verified bool) {
	seen := sets.New[string]()
	for i, mapping := range mappings {
		at := at.Index(i)
		v.add(validation.IsDomainPrefixedPath(at.Child("key"), mapping.Key)...)
		if mapping.Key != strings.ToLower(mapping.Key) {
			v.add(field.Invalid(at.Child("key"), mapping.Key, "must be lower case"))
		}
		if isKubernetes(mapping.Key) {
			v.add(field.Invalid(at.Child("key"), mapping.Key, "names below k8s.io and kubernetes.io are reserved for Kubernetes"))
		}
		switch {
		case seen.Has(mapping.Key):
			v.add(field.Duplicate(at.Child("key"), mapping.Key))
		case mapping.ValueExpression == "":
			seen.Insert(mapping.Key)
			v.add(field.Required(at.Child("valueExpression"), "what the value is"))
		default:
			seen.Insert(mapping.Key)
			e := v.compile(mapping.ValueExpression, celrego.Claims, false, at.Child("valueExpression"))
			verified = verified || e != nil && e.Selects("email_verified")
		}
	}
	return verified
}

// isKubernetes reports whether the key is below a domain of Kubernetes' own.
func isKubernetes(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	if !found {
		return false
	}
	for _, own := range []string{"kubernetes.io", "k8s.io"} {
		if domain == own || strings.HasSuffix(domain, "."+own) {
			return true
		}
	}
	return false
}

func (v *validator) prefixed(mapping *PrefixedMapping, at *field.Path, required bool) *celrego.Expression {
	switch {
	case mapping.Expression != "" && mapping.Claim != "":
		v.add(both(at, ""))
	case mapping.Expression != "":
		if mapping.Prefix != nil {
			v.add(field.Invalid(at.Child("prefix"), *mapping.Prefix, "belongs to a claim: put it into the expression"))
		}
		return v.compile(mapping.Expression, celrego.Claims, false, at.Child("expression"))
	case mapping.Claim != "":
		if mapping.Prefix == nil {
			v.add(field.Required(at.Child("prefix"), "an empty string for none"))
		}
	case required:
		v.add(field.Required(at, "a claim or an expression"))
	}
	return nil
}
