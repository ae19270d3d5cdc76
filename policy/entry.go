package policy

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Entries names the rule the engine asks at each place, as dotted paths below
// `data`: kubernetes.authorization.allow. An empty path is never asked.
type Entries struct {
	AuthenticationUser, AuthenticationDeny                        string
	AuthorizationAllow, AuthorizationDeny                         string
	SchedulingReject, SchedulingUnresolvable, SchedulingScore     string
	SchedulingProtect, SchedulingBindDeny, SchedulingBindAnnotate string
	// Profiles are further sets of scheduling rules, by name. Those of NAME are
	// in the package kubernetes.scheduler.NAME, under the names that
	// DefaultEntries gives them.
	Profiles []string
}

// DefaultEntries are the rules of the packages kubernetes.authentication,
// kubernetes.authorization and kubernetes.scheduling.
func DefaultEntries() Entries {
	return Entries{
		AuthenticationUser:     "kubernetes.authentication.user",
		AuthenticationDeny:     "kubernetes.authentication.deny",
		AuthorizationAllow:     "kubernetes.authorization.allow",
		AuthorizationDeny:      "kubernetes.authorization.deny",
		SchedulingReject:       "kubernetes.scheduling.reject",
		SchedulingUnresolvable: "kubernetes.scheduling.unresolvable",
		SchedulingScore:        "kubernetes.scheduling.score",
		SchedulingProtect:      "kubernetes.scheduling.protect",
		SchedulingBindDeny:     "kubernetes.scheduling.deny",
		SchedulingBindAnnotate: "kubernetes.scheduling.annotate",
	}
}

// orDefault is DefaultEntries, with the profiles of e, where e names no rule.
func (e Entries) orDefault() Entries {
	unnamed := e
	unnamed.Profiles = nil
	if len(unnamed.all()) > 0 {
		return e
	}
	out := DefaultEntries()
	out.Profiles = e.Profiles
	return out
}

// profilesRoot is the package that those of profiles are in.
const profilesRoot = "kubernetes.scheduler"

// profile are the scheduling rules of the profile called name.
func profile(name string) Entries {
	at := profilesRoot + "." + name + "."
	return Entries{
		SchedulingReject: at + "reject", SchedulingUnresolvable: at + "unresolvable", SchedulingScore: at + "score",
		SchedulingProtect: at + "protect", SchedulingBindDeny: at + "deny", SchedulingBindAnnotate: at + "annotate",
	}
}

// shape is the form an entry rule has to have.
type shape int

const (
	// reasonsShape is `name contains reason if …`, or a boolean.
	reasonsShape shape = iota
	// userShape is user.username, user.uid, user.groups, user.extra, or `user := {…}`.
	userShape
	// scoreShape is `score[name] := number if …`.
	scoreShape
	// annotationsShape is `annotate[key] := "value" if …`.
	annotationsShape
)

type entry struct {
	path  string // "" is never asked
	shape shape
	point point
	// denies says that reasons of the rule refuse.
	denies bool
}

// The entry rules by their place in a revision. Those of scheduling come once
// more for each profile.
const (
	userRule = iota
	userDenyRule
	allowRule
	denyRule
	rejectRule
	unresolvableRule
	scoreRule
	protectRule
	bindDenyRule
	annotateRule
	ruleCount

	firstSchedulingRule = rejectRule
	schedulingRules     = ruleCount - firstSchedulingRule
)

// table is every entry rule in its place.
func (e Entries) table() []entry {
	out := append([]entry{
		userRule:     {e.AuthenticationUser, userShape, authenticationPoint, false},
		userDenyRule: {e.AuthenticationDeny, reasonsShape, authenticationPoint, true},
		allowRule:    {e.AuthorizationAllow, reasonsShape, authorizationPoint, false},
		denyRule:     {e.AuthorizationDeny, reasonsShape, authorizationPoint, true},
	}, e.scheduling()...)
	for _, name := range e.Profiles {
		out = append(out, profile(name).scheduling()...)
	}
	return out
}

// scheduling are the rules of one profile, from firstSchedulingRule on.
func (e Entries) scheduling() []entry {
	return []entry{
		{e.SchedulingReject, reasonsShape, schedulingPoint, true},
		{e.SchedulingUnresolvable, reasonsShape, schedulingPoint, true},
		{e.SchedulingScore, scoreShape, schedulingPoint, false},
		{e.SchedulingProtect, reasonsShape, schedulingPoint, true},
		{e.SchedulingBindDeny, reasonsShape, schedulingPoint, true},
		{e.SchedulingBindAnnotate, annotationsShape, schedulingPoint, false},
	}
}

// all lists the entry rules that are asked.
func (e Entries) all() []entry {
	var out []entry
	for _, candidate := range e.table() {
		if candidate.path != "" {
			out = append(out, candidate)
		}
	}
	return out
}

// entryRef is the reference `data.` + path.
func entryRef(path string) ast.Ref {
	ref := ast.Ref{ast.DefaultRootDocument}
	for part := range strings.SplitSeq(path, ".") {
		ref = append(ref, ast.StringTerm(part))
	}
	return ref
}

// checkShapes reports every rule that sits at an entry's path in a form the
// engine does not read, and reports which entries have rules at all.
func checkShapes(modules []*ast.Module, entries []entry, found *problems) map[string]bool {
	defined := map[string]bool{}
	for _, e := range entries {
		ref := entryRef(e.path)
		for _, module := range modules {
			if module.Package.Path.HasPrefix(ref) {
				found.at(module.Package.Location, "package %s takes the place of the entry rule %s: rename the package",
					strings.TrimPrefix(module.Package.Path.String(), "data."), e.path)
				continue
			}
			if !ref.HasPrefix(module.Package.Path) {
				continue
			}
			for _, rule := range module.Rules {
				full := append(module.Package.Path.Copy(), rule.Head.Ref()...)
				// The head's reference begins with a variable, its name in the package.
				full[len(module.Package.Path)] = ast.StringTerm(string(rule.Head.Ref()[0].Value.(ast.Var)))
				if !full.HasPrefix(ref) {
					if ground := full.GroundPrefix(); len(ground) < len(ref) && ref.HasPrefix(ground) {
						found.at(rule.Location, "rule %v spans the entry rule %s, which is not read there: write a rule for each entry", rule.Head.Ref(), e.path)
					}
					continue
				}
				defined[e.path] = true
				for r := rule; r != nil; r = r.Else {
					if message := e.check(r, full[len(ref):]); message != "" {
						found.at(r.Location, "%s", message)
					}
				}
			}
		}
	}
	return defined
}

// check says what is wrong with the form of rule, whose head goes on below the
// entry's path with rest; "" when nothing is.
func (e entry) check(rule *ast.Rule, rest ast.Ref) string {
	name := e.path[strings.LastIndexByte(e.path, '.')+1:]
	if len(rule.Head.Args) > 0 {
		return fmt.Sprintf("%s is asked by the engine and can't be a function: give the function another name", name)
	}
	multi := rule.Head.RuleKind() == ast.MultiValue
	switch e.shape {
	case reasonsShape:
		return checkReasons(name, rule, rest, multi)
	case scoreShape:
		if multi || len(rest) != 1 {
			return fmt.Sprintf("%s has a form the engine does not read: write `%s[\"name\"] := 5 if { … }`", name, name)
		}
		if v := rule.Head.Value; v != nil && constant(v.Value) && !isNumber(v.Value) {
			return fmt.Sprintf("%s gives numbers, not %s: write `%s[\"name\"] := 5 if { … }`", name, kindOf(v.Value), name)
		}
	case annotationsShape:
		return checkAnnotations(name, rule, rest, multi)
	case userShape:
		return checkUser(name, rule, rest, multi)
	}
	return ""
}

func checkReasons(name string, rule *ast.Rule, rest ast.Ref, multi bool) string {
	form := fmt.Sprintf("write `%s contains \"reason\" if { … }`", name)
	switch {
	case len(rest) > 0:
		return fmt.Sprintf("%s[…] is an object, and the engine reads a set of reasons: %s", name, form)
	case multi:
		if key := rule.Head.Key; key != nil && constant(key.Value) {
			if _, ok := key.Value.(ast.String); !ok {
				return fmt.Sprintf("a reason is a string, not %s: %s", kindOf(key.Value), form)
			}
		}
	case rule.Head.Value != nil && constant(rule.Head.Value.Value):
		if _, ok := rule.Head.Value.Value.(ast.Boolean); !ok {
			return fmt.Sprintf("%s is %s, and the engine reads a set of reasons or a boolean: %s", name, kindOf(rule.Head.Value.Value), form)
		}
	}
	return ""
}

func checkAnnotations(name string, rule *ast.Rule, rest ast.Ref, multi bool) string {
	form := fmt.Sprintf("write `%s[\"example.com/key\"] := \"value\" if { … }`", name)
	if multi || len(rest) != 1 {
		return fmt.Sprintf("%s has a form the engine does not read: %s", name, form)
	}
	if constant(rest[0].Value) && !isString(rest[0].Value) {
		return fmt.Sprintf("%s takes the names of annotations, not %s: %s", name, kindOf(rest[0].Value), form)
	}
	// Without a value a rule gives true.
	if v := rule.Head.Value; v != nil && constant(v.Value) && !isString(v.Value) {
		return fmt.Sprintf("%s gives strings, as all annotations are, not %s: %s", name, kindOf(v.Value), form)
	}
	return ""
}

func checkUser(name string, rule *ast.Rule, rest ast.Ref, multi bool) string {
	form := fmt.Sprintf("write `%[1]s.username := …`, `%[1]s.uid := …`, `%[1]s.groups contains …`, `%[1]s.extra[key] contains …`, or the whole `%[1]s := {…}`", name)
	if len(rest) == 0 {
		if multi {
			return fmt.Sprintf("%s is a set, and the engine reads an object: %s", name, form)
		}
		if v := rule.Head.Value; v != nil && constant(v.Value) {
			if !isObject(v.Value) {
				return fmt.Sprintf("%s is %s, and the engine reads an object: %s", name, kindOf(v.Value), form)
			}
		}
		return ""
	}
	field, ok := rest[0].Value.(ast.String)
	if !ok {
		return ""
	}
	// What a rule gives once its condition holds, nil where that is not known before.
	gives := rule.Head.Value
	if multi {
		gives = rule.Head.Key
	}
	known := gives != nil && constant(gives.Value)
	switch field {
	case "username", "uid":
		if multi || len(rest) != 1 || known && !isString(gives.Value) {
			return fmt.Sprintf("%s.%s is one string: %s", name, string(field), form)
		}
	case "groups":
		if len(rest) != 1 || known && !isNames(gives.Value, multi) {
			return fmt.Sprintf("%s.groups is a set of strings: %s", name, form)
		}
	case "extra":
		whole := len(rest) == 1 && !multi && (!known || isObject(gives.Value))
		if !whole && (len(rest) != 2 || known && !isNames(gives.Value, multi)) {
			return fmt.Sprintf("%s.extra[key] is a set of strings: %s", name, form)
		}
	default:
		return fmt.Sprintf("%s has no field %s: %s", name, string(field), form)
	}
	return ""
}

// constant reports whether v is a value known before evaluation.
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

// isNames reports whether v is one name of a set, or a whole set or list of names.
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
