package celrego

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
)

// Rules are an expression as Rego: the text of one rule, and of those that it needs.
type Rules struct {
	Text string
	// Claims are those that the rules read, sorted; AllClaims says that there may
	// be others.
	Claims    []string
	AllClaims bool
	// Never says that the rule is undefined whatever it reads.
	Never bool
	// Library says that data.lib.cel is called.
	Library bool
}

// maxRules bounds what one expression may become.
const maxRules = 500

// Value translates the expression to rules called name, of which the value is that
// of the expression. The rules read the variable of the expression as a rule of the
// same name. Further rules are called name_1 and so on. The error is an *Error.
func (e *Expression) Value(name string) (Rules, error) {
	return e.translate(name, func(t *translator) []clause { return t.clauses(e.ast.Expr(), nil) })
}

// Text is as Value, for an expression that has to give a string that is not empty,
// else the rule is undefined.
func (e *Expression) Text(name string, maybeEmpty bool) (Rules, error) {
	return e.translate(name, func(t *translator) []clause {
		clauses := t.clauses(e.ast.Expr(), nil)
		for i, c := range clauses {
			v := t.only(e.ast.Expr(), value{body: c.body, term: c.term, kind: c.kind, literal: c.literal}, text)
			if !maybeEmpty && (!c.literal || c.term == `""`) {
				v = t.bound(v, "result")
				v.body = append(v.body, v.term+` != ""`)
			}
			clauses[i] = clause{body: v.body, term: v.term, kind: v.kind}
		}
		return clauses
	})
}

// Texts is as Value, for an expression that gives strings as Kubernetes takes
// them: a list of strings, one string, or null. The value is the list of those
// that are not empty; the rule is undefined for anything else.
func (e *Expression) Texts(name string) (Rules, error) {
	return e.translate(name, func(t *translator) []clause {
		clauses := t.clauses(e.ast.Expr(), nil)
		for i, c := range clauses {
			switch {
			case c.kind.types&(typeName|optional) != 0:
				if c.kind.types.ambiguous() {
					t.refuse(e.ast.Expr(), "whether this is a string or a list cannot be told")
				}
				c.body, c.term = append(c.body, "false"), "[]"
			case c.kind.native == isNative && c.kind.types == list:
				c.body, c.term = append(c.body, "false"), "[]"
			case c.kind.native != notNative:
				t.refuse(e.ast.Expr(), "whether kube-apiserver takes this list cannot be told, since it takes none that split() or findAll() gives: add .map(x, x)")
			case c.literal && c.kind.types == text && c.term != `""`:
				c.term = "[" + c.term + "]"
			default:
				c.term = t.lib("texts", c.term)
			}
			clauses[i] = c
		}
		return clauses
	})
}

// Holds translates an expression that gives true or false to rules called name,
// which are defined when it is true.
func (e *Expression) Holds(name string) (Rules, error) {
	return e.translate(name, func(t *translator) []clause {
		var clauses []clause
		for _, body := range t.cond(e.ast.Expr(), nil, true) {
			clauses = append(clauses, clause{body: body})
		}
		return clauses
	})
}

func (e *Expression) translate(name string, translate func(*translator) []clause) (Rules, error) {
	t := &translator{expression: e, name: name, claims: map[string]bool{}, taken: map[string]bool{}, made: map[made]string{}, kinds: map[made]*kind{}}
	clauses := translate(t)
	t.write(name, clauses)
	if t.err != nil {
		return Rules{}, t.err
	}
	// The rule itself comes before those that it needs.
	slices.Reverse(t.rules)
	text := strings.Join(t.rules, "\n")
	return Rules{
		Text:   text,
		Claims: slices.Sorted(maps.Keys(t.claims)), AllClaims: t.allClaims,
		Never:   !slices.ContainsFunc(clauses, func(c clause) bool { return !slices.Contains(c.body, "false") }),
		Library: t.library || strings.Contains(text, "cel.never"),
	}, nil
}

// translator translates one expression.
type translator struct {
	expression *Expression
	name       string
	rules      []string
	helpers    int
	taken      map[string]bool // names of variables
	made       map[made]string // helper rules, by what they are for
	kinds      map[made]*kind  // of the values of those rules
	claims     map[string]bool
	allClaims  bool
	library    bool
	err        *Error
}

// made is what a helper rule is for: an expression, as a value, or being true or
// false.
type made struct {
	id int64
	as string
}

// scope is a variable that a macro binds, and those around it.
type scope struct {
	around *scope
	name   string // in CEL
	term   string // in Rego
	kind   *kind
}

func (s *scope) find(name string) *scope {
	for ; s != nil; s = s.around {
		if s.name == name {
			return s
		}
	}
	return nil
}

// value is an expression in Rego: a term that is defined, and has the value, when
// the body is true. Where the body is not, CEL's evaluation ends in an error.
type value struct {
	body []string
	term string
	kind *kind
	// literal says that the term is one, or a variable; it is always defined.
	literal bool
	// predicate says that the term is a call that is true or false.
	predicate bool
	// parts are the strings that the term concatenates.
	parts []string
}

// clause is one way to a value: it applies when its body is true. At most one of
// several does.
type clause struct {
	body    []string
	term    string // "" for a rule without a value
	kind    *kind
	literal bool
}

// refuse notes that the expression cannot be translated.
func (t *translator) refuse(e ast.Expr, format string, args ...any) value {
	if t.err == nil {
		t.err = errorAt(t.expression.ast, e, format, args...)
	}
	return never(nil)
}

// never is what ends in an error whatever the input.
func never(body []string) value {
	return value{body: append(slices.Clip(body), "false"), term: "cel.never", kind: scalar(0), literal: true}
}

// lib is a call of the helper library.
func (t *translator) lib(function string, arguments ...string) string {
	t.library = true
	return "cel." + function + "(" + strings.Join(arguments, ", ") + ")"
}

// variable returns a name that no other variable of these rules has.
func (t *translator) variable(hint string) string {
	if !isIdentifier(hint) || strings.HasPrefix(hint, "_") || strings.HasPrefix(hint, t.name) {
		hint = "value"
	}
	name := hint
	for i := 2; t.taken[name] || name == string(Claims) || name == string(User) || name == "cel" || builtinRoots[name]; i++ {
		name = fmt.Sprintf("%s%d", hint, i)
	}
	t.taken[name] = true
	return name
}

// builtinRoots are names that would hide functions, or confuse with them.
var builtinRoots = map[string]bool{
	"array": true, "object": true, "regex": true, "strings": true, "count": true, "concat": true, "contains": true,
	"startswith": true, "endswith": true, "lower": true, "upper": true, "numbers": true, "json": true, "time": true,
	"is_string": true, "is_number": true, "is_array": true, "is_object": true, "is_boolean": true, "is_null": true,
	"sort": true, "min": true, "max": true, "sum": true, "split": true, "replace": true, "indexof": true,
	"format_int": true, "substring": true, "trim_space": true, "type_name": true, "glob": true, "net": true, "io": true,
	"units": true, "uuid": true, "semver": true, "graph": true, "graphql": true, "http": true, "crypto": true,
	"base64": true, "base64url": true, "hex": true, "yaml": true, "urlquery": true, "rego": true, "opa": true,
	"rand": true, "bits": true, "internal": true, "abs": true, "round": true, "ceil": true, "floor": true,
	"intersection": true, "union": true, "product": true, "any": true, "all": true, "print": true, "trace": true,
	"sprintf": true, "to_number": true, "trim": true, "walk": true, "cast_array": true, "and": true, "or": true,
	"eq": true, "equal": true, "neq": true, "lt": true, "lte": true, "gt": true, "gte": true, "plus": true,
	"minus": true, "mul": true, "div": true, "rem": true, "assign": true, "set": true, "providers": true,
}

// bound gives the value a variable, unless its term is a variable, a literal or a
// short reference.
func (t *translator) bound(v value, hint string) value {
	if v.literal || isReference(v.term) {
		return v
	}
	name := t.variable(hint)
	return value{body: append(slices.Clip(v.body), name+" := "+v.term), term: name, kind: v.kind, literal: true}
}

// defined adds to the body that the term is defined, where that is not clear.
func (t *translator) defined(v value) value {
	if v.literal {
		return v
	}
	if !isReference(v.term) {
		return t.bound(v, "value")
	}
	v.body = append(slices.Clip(v.body), t.lib("defined", v.term))
	return v
}

func isReference(term string) bool {
	return !strings.ContainsAny(term, " (){}") && strings.ContainsAny(term[:1], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")
}

// write adds a rule with the clauses.
func (t *translator) write(head string, clauses []clause) {
	if len(t.rules) > maxRules && t.err == nil {
		t.refuse(t.expression.ast.Expr(), "the expression becomes more than %d rules", maxRules)
	}
	var out strings.Builder
	for i, c := range possible(clauses) {
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString(head)
		if c.term != "" {
			out.WriteString(" := " + c.term)
		}
		switch {
		case len(c.body) > 0:
			out.WriteString(" if {\n\t" + strings.Join(c.body, "\n\t") + "\n}")
		case c.term == "":
			out.WriteString(" if true")
		}
		out.WriteString("\n")
	}
	if len(clauses) == 0 {
		out.WriteString(head + " if false\n")
	}
	t.rules = append(t.rules, out.String())
}

// possible leaves out clauses that never apply; one stays, for the rule to be there.
func possible(clauses []clause) []clause {
	var kept []clause
	for _, c := range clauses {
		if !slices.Contains(c.body, "false") {
			kept = append(kept, c)
		}
	}
	if len(kept) == 0 && len(clauses) > 0 {
		kept = []clause{{body: []string{"false"}, term: clauses[0].term}}
		if kept[0].term != "" {
			kept[0].term = "cel.never"
		}
	}
	return kept
}

// settled is a body, of which nothing stays when it never holds.
func settled(body []string) []string {
	if slices.Contains(body, "false") {
		return []string{"false"}
	}
	return body
}

// helper returns the call of a rule for the expression, written once.
func (t *translator) helper(e ast.Expr, s *scope, as string, clauses func() []clause) string {
	key := made{e.ID(), as}
	if call, ok := t.made[key]; ok {
		return call
	}
	t.helpers++
	head := fmt.Sprintf("%s_%d", t.name, t.helpers)
	if parameters := t.parameters(e, s); len(parameters) > 0 {
		head += "(" + strings.Join(parameters, ", ") + ")"
	}
	t.made[key] = head
	t.write(head, clauses())
	return head
}

// parameters are the variables of macros that the expression reads.
func (t *translator) parameters(e ast.Expr, s *scope) []string {
	found := map[string]bool{}
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.IdentKind {
			return
		}
		if bound := s.find(x.AsIdent()); bound != nil {
			found[bound.term] = true
		}
	}))
	return slices.Sorted(maps.Keys(found))
}
