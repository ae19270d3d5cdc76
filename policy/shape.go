package policy

import (
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// shape is the form that an entry rule must have. It also reads the value of the rule.
type shape struct {
	// check returns what is wrong with the form of a rule called name, "" when nothing
	// is. rest is what the reference of its head has after the path of the entry.
	// multi says that the rule gives a set.
	check func(name string, rule *ast.Rule, rest ast.Ref, multi bool) string
	// read converts a value of the rule at path into the type of none.
	read func(path string, value ast.Value) (any, error)
	// none is the result when the rule is undefined.
	none any
}

var (
	// reasonsShape is `name contains reason if …`, or a boolean.
	reasonsShape = &shape{
		check: checkReasons,
		read:  func(path string, value ast.Value) (any, error) { return reasonsOf(path, value) },
		none:  []string(nil),
	}
	// userShape is user.username, user.uid, user.groups, user.extra, or `user := {…}`.
	userShape = &shape{
		check: checkUser,
		read:  func(path string, value ast.Value) (any, error) { return userOf(path, value) },
		none:  (*User)(nil),
	}
	// scoreShape is `score[name] := number if …`.
	scoreShape = &shape{
		check: checkScore,
		read:  func(path string, value ast.Value) (any, error) { return scoreOf(path, value) },
		none:  int64(0),
	}
	// annotationsShape is `annotate[key] := "value" if …`.
	annotationsShape = &shape{
		check: checkAnnotations,
		read:  func(path string, value ast.Value) (any, error) { return annotationsOf(path, value) },
		none:  map[string]string(nil),
	}
)

func checkReasons(name string, rule *ast.Rule, rest ast.Ref, multi bool) string {
	form := fmt.Sprintf("write `%s contains \"reason\" if { … }`", name)
	switch {
	case len(rest) > 0:
		return fmt.Sprintf("%s[…] is an object, and the engine reads a set of reasons: %s", name, form)
	case multi:
		if key := rule.Head.Key; key != nil && constant(key.Value) {
			if _, ok := key.Value.(ast.String); !ok {
				return fmt.Sprintf("a reason is a string, not %s: %s", document.KindOf(key.Value), form)
			}
		}
	case rule.Head.Value != nil && constant(rule.Head.Value.Value):
		if _, ok := rule.Head.Value.Value.(ast.Boolean); !ok {
			return fmt.Sprintf("%s is %s, and the engine reads a set of reasons or a boolean: %s", name, document.KindOf(rule.Head.Value.Value), form)
		}
	}
	return ""
}

func checkScore(name string, rule *ast.Rule, rest ast.Ref, multi bool) string {
	if multi || len(rest) != 1 {
		return fmt.Sprintf("%s has a form the engine does not read: write `%s[\"name\"] := 5 if { … }`", name, name)
	}
	if v := rule.Head.Value; v != nil && constant(v.Value) && !isNumber(v.Value) {
		return fmt.Sprintf("%s gives numbers, not %s: write `%s[\"name\"] := 5 if { … }`", name, document.KindOf(v.Value), name)
	}
	return ""
}

func checkAnnotations(name string, rule *ast.Rule, rest ast.Ref, multi bool) string {
	form := fmt.Sprintf("write `%s[\"example.com/key\"] := \"value\" if { … }`", name)
	if multi || len(rest) != 1 {
		return fmt.Sprintf("%s has a form the engine does not read: %s", name, form)
	}
	if constant(rest[0].Value) && !isString(rest[0].Value) {
		return fmt.Sprintf("%s takes the names of annotations, not %s: %s", name, document.KindOf(rest[0].Value), form)
	}
	// Without a value a rule gives true.
	if v := rule.Head.Value; v != nil && constant(v.Value) && !isString(v.Value) {
		return fmt.Sprintf("%s gives strings, as all annotations are, not %s: %s", name, document.KindOf(v.Value), form)
	}
	return ""
}

func checkUser(name string, rule *ast.Rule, rest ast.Ref, multi bool) string {
	form := fmt.Sprintf("write `%[1]s.username := …`, `%[1]s.uid := …`, `%[1]s.groups contains …`, `%[1]s.extra[key] contains …`, or the whole `%[1]s := {…}`", name)
	if len(rest) == 0 {
		return checkWholeUser(name, form, rule, multi)
	}
	field, ok := rest[0].Value.(ast.String)
	if !ok {
		return ""
	}
	known := knownValue(rule, multi)
	switch field {
	case "username", "uid":
		if multi || len(rest) != 1 || known != nil && !isString(known) {
			return fmt.Sprintf("%s.%s is one string: %s", name, string(field), form)
		}
	case "groups":
		if len(rest) != 1 || known != nil && !isNames(known, multi) {
			return fmt.Sprintf("%s.groups is a set of strings: %s", name, form)
		}
	case "extra":
		whole := len(rest) == 1 && !multi && (known == nil || isObject(known))
		if !whole && (len(rest) != 2 || known != nil && !isNames(known, multi)) {
			return fmt.Sprintf("%s.extra[key] is a set of strings: %s", name, form)
		}
	default:
		return fmt.Sprintf("%s has no field %s: %s", name, string(field), form)
	}
	return ""
}

// checkWholeUser is checkUser for a rule that gives the whole object.
func checkWholeUser(name, form string, rule *ast.Rule, multi bool) string {
	if multi {
		return fmt.Sprintf("%s is a set, and the engine reads an object: %s", name, form)
	}
	if v := knownValue(rule, false); v != nil && !isObject(v) {
		return fmt.Sprintf("%s is %s, and the engine reads an object: %s", name, document.KindOf(v), form)
	}
	return ""
}

// knownValue returns the value that the rule gives when its condition is true: an
// element of its set when multi is true. It returns nil when only the evaluation
// finds the value.
func knownValue(rule *ast.Rule, multi bool) ast.Value {
	gives := rule.Head.Value
	if multi {
		gives = rule.Head.Key
	}
	if gives == nil || !constant(gives.Value) {
		return nil
	}
	return gives.Value
}

// constant reports whether v is a value that is known before evaluation.
func constant(v ast.Value) bool {
	switch v.(type) {
	case ast.Null, ast.Boolean, ast.Number, ast.String:
		return true
	case *ast.Array, ast.Object, ast.Set:
		return v.IsGround()
	}
	return false
}

func isString(v ast.Value) bool {
	_, ok := v.(ast.String)
	return ok
}

func isObject(v ast.Value) bool {
	_, ok := v.(ast.Object)
	return ok
}

// isNames reports whether v is a name, when one is true, or else a whole set or list
// of names.
func isNames(v ast.Value, one bool) bool {
	if one {
		return isString(v)
	}
	switch v.(type) {
	case ast.Set, *ast.Array:
		return true
	}
	return false
}

func isNumber(v ast.Value) bool {
	_, ok := v.(ast.Number)
	return ok
}
