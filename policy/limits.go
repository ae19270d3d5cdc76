package policy

import (
	"bytes"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Limits of the modules that a revision is compiled from. Go ends the whole process
// when the stack of a goroutine or the memory is exhausted, and OPA has limits in its
// parser but none in its compiler. All limits are far above the policies that people
// write.
const (
	// maxTokens bounds the number of names, numbers, strings and signs in all policy
	// files together. Compiling takes about 500 bytes for each.
	maxTokens = 1_000_000
	// maxNesting bounds how deep terms and bodies are nested.
	maxNesting = 1_000
	// maxClosures bounds how deep comprehensions, every and not are nested: each level
	// may double the time that OPA's compiler takes.
	maxClosures = 10
	// maxKeyNesting bounds how deep the terms in a key of an object are nested: each
	// object in the key may multiply the time of OPA's compiler by four.
	maxKeyNesting = 8
	// maxElse bounds the number of else branches of a rule. The time of OPA's compiler
	// grows with the square of that number.
	maxElse = 20_000
	// maxReference bounds the number of elements of a reference or of a package name.
	maxReference = 500
	// maxRuleDepth bounds the length of a chain of rules in which each rule refers to
	// the next. Evaluation uses a part of the goroutine's stack for each rule.
	maxRuleDepth = 1_000
)

// checkSize checks maxTokens and, for brackets, maxNesting before modules are parsed.
func checkSize(modules []Module) error {
	n := 0
	for _, m := range modules {
		tokens, brackets := countTokens(m.Source, maxTokens-n)
		var found problems
		if n += tokens; n > maxTokens {
			found.file(m.Path, "the policies up to this file have more than %d names, numbers and signs: put tables into data files, or load fewer policies", maxTokens)
		} else if brackets > maxNesting {
			// OPA's parser may return an error for each open bracket, each with the text
			// of the line.
			found.file(m.Path, "brackets are nested %d deep, at most %d are allowed: give the parts names, or put tables into data files", brackets, maxNesting)
		}
		if err := found.err(); err != nil {
			return err
		}
	}
	return nil
}

// countTokens counts the tokens of a Rego file. It stops at limit+1. deepest is how
// deep brackets are nested in the counted part. A string is one token. A template
// string counts as if its text were not in quotes.
func countTokens(source []byte, limit int) (n, deepest int) {
	depth := 0
	for i := 0; i < len(source) && n <= limit; i++ {
		switch c := source[i]; {
		case c == ' ', c == '\t', c == '\r', c == '\n':
		case c == '#':
			i = lineEnd(source, i)
		case c == '$' && i+1 < len(source) && (source[i+1] == '"' || source[i+1] == '`'):
			n++
			i++ // the tokens in a template are counted as tokens outside one are
		case c == '"':
			n++
			i = stringEnd(source, i)
		case c == '`':
			n++
			i = rawStringEnd(source, i)
		case isNameByte(c):
			n++
			for i+1 < len(source) && isNameByte(source[i+1]) {
				i++
			}
		case c == '(', c == '[', c == '{':
			n++
			depth++
			deepest = max(deepest, depth)
		case c == ')', c == ']', c == '}':
			n++
			depth = max(depth-1, 0)
		default:
			n++
		}
	}
	return n, deepest
}

func isNameByte(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c >= 0x80
}

// lineEnd returns the index of the last byte of the line.
func lineEnd(source []byte, i int) int {
	for i+1 < len(source) && source[i+1] != '\n' {
		i++
	}
	return i
}

// rawStringEnd returns the index of the quote that ends the string that begins at i.
func rawStringEnd(source []byte, i int) int {
	n := bytes.IndexByte(source[i+1:], '`')
	if n < 0 {
		return len(source)
	}
	return i + 1 + n
}

// stringEnd returns the index of the quote that ends the string that begins at i, or
// of the end of the line: such a string is on one line.
func stringEnd(source []byte, i int) int {
	for i++; i < len(source) && source[i] != '\n'; i++ {
		switch source[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return i - 1
}

// checkNesting checks how deep the parts of a module are nested.
func checkNesting(module *ast.Module) error {
	n := nesting{location: module.Package.Location}
	n.walk(module.Package)
	for _, imported := range module.Imports {
		n.walk(imported)
	}
	for _, rule := range module.Rules {
		n.location = rule.Location
		branches := 0
		for branch := rule; branch != nil; branch = branch.Else {
			branches++
			n.walk(branch.Head)
			n.walk(branch.Body)
			if branch.Head.Key != nil {
				n.walk(branch.Head.Key) // OPA's visitor does not visit the key
			}
		}
		if branches-1 > maxElse {
			n.fault(rule.Location, "the rule has %d else branches, at most %d are allowed: look the value up in an object, or write separate rules", branches-1, maxElse)
		}
	}
	if len(n.faults) == 0 {
		return nil
	}
	return n.faults
}

// nesting visits the parts of a module and reports those that are nested too deep.
type nesting struct {
	depth, closures int
	location        *ast.Location // of the visited part, as exact as it is known
	faults          ast.Errors
	visitor         *ast.BeforeAfterVisitor
}

func (n *nesting) walk(part any) {
	n.depth, n.closures = 0, 0
	n.visitor = ast.NewBeforeAfterVisitor(n.before, n.after)
	n.visitor.Walk(part)
}

// before is called by the visitor before the parts of x. It returns true when these
// need no visit.
func (n *nesting) before(x any) bool {
	n.depth++
	switch x := x.(type) {
	case *ast.Expr:
		if x.Location != nil {
			n.location = x.Location
		}
	case ast.Ref:
		if len(x) > maxReference {
			return n.fault(n.location, "a reference has %d elements, at most %d are allowed", len(x), maxReference)
		}
	}
	if object, ok := x.(ast.Object); ok && deepKeys(object) {
		return n.fault(n.location, "a key of an object is more than %d deep: use strings", maxKeyNesting)
	}
	if isClosure(x) {
		if n.closures++; n.closures > maxClosures {
			return n.fault(n.location, "comprehensions, every and not are nested more than %d deep: write separate rules for the inner ones", maxClosures)
		}
	}
	if n.depth > maxNesting {
		return n.fault(n.location, "terms and bodies are nested more than %d deep: write separate rules for the inner ones", maxNesting/2)
	}
	if template, ok := x.(*ast.TemplateString); ok {
		for _, inner := range template.Parts {
			n.visitor.Walk(inner) // OPA's visitor does not visit the parts
		}
	}
	return false
}

// deepKeys reports whether the terms in a key of object are nested deeper than maxKeyNesting.
func deepKeys(object ast.Object) bool {
	deep := false
	object.Foreach(func(key, _ *ast.Term) {
		if deep || ast.IsScalar(key.Value) {
			return
		}
		depth := 0 // 2 for each level: a term and its value
		ast.NewBeforeAfterVisitor(func(any) bool {
			depth++
			deep = deep || depth > 2*maxKeyNesting
			return deep
		}, func(any) { depth-- }).Walk(key)
	})
	return deep
}

func (n *nesting) after(x any) {
	n.depth--
	if isClosure(x) {
		n.closures--
	}
}

func isClosure(x any) bool {
	switch x.(type) {
	case *ast.ArrayComprehension, *ast.SetComprehension, *ast.ObjectComprehension, *ast.Every, *ast.Not:
		return true
	}
	return false
}

// fault records a problem, at most one for a location. It returns true, which ends the
// visit of the part.
func (n *nesting) fault(at *ast.Location, format string, args ...any) bool {
	if len(n.faults) < maxProblems && (len(n.faults) == 0 || n.faults[len(n.faults)-1].Location != at) {
		n.faults = append(n.faults, ast.NewError("limit", at, format, args...))
	}
	return true
}

// checkRuleDepth checks the length of chains of rules in which each rule refers to the
// next. The compiler must have run its stage SetGraph. A later stage of the compiler
// refuses rules that refer to themselves.
func checkRuleDepth(compiler *ast.Compiler) error {
	depths := map[*ast.Rule]int{}
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			if deep := ruleDepth(compiler.Graph, rule, depths); deep != nil {
				var found problems
				found.at(deep.Location, "a chain of more than %d rules, each of which refers to the next, begins with this rule", maxRuleDepth)
				return found.err()
			}
		}
	}
	return nil
}

// visit is a rule on the path of a depth-first search.
type visit struct {
	rule *ast.Rule
	next []*ast.Rule // the rules that it refers to and that were not visited yet
}

// ruleDepth sets the depth of rule and of the rules that it refers to: 1 for a rule
// that refers to no rule, 0 for a rule that is on the path of the search. It returns
// the first rule that is too deep, nil when there is none. It is not recursive, since
// a long chain would exhaust the stack of a recursive search too.
func ruleDepth(graph *ast.Graph, rule *ast.Rule, depths map[*ast.Rule]int) *ast.Rule {
	if _, known := depths[rule]; known {
		return nil
	}
	depths[rule] = 0
	path := []visit{{rule, references(graph, rule)}}
	for len(path) > 0 {
		if len(path) > maxRuleDepth {
			return path[0].rule
		}
		top := &path[len(path)-1]
		if len(top.next) > 0 {
			next := top.next[0]
			top.next = top.next[1:]
			if _, known := depths[next]; !known {
				depths[next] = 0
				path = append(path, visit{next, references(graph, next)})
			}
			continue
		}
		depth := 1
		for _, next := range references(graph, top.rule) {
			depth = max(depth, depths[next]+1)
		}
		if depths[top.rule] = depth; depth > maxRuleDepth {
			return top.rule
		}
		path = path[:len(path)-1]
	}
	return nil
}

// references returns the rules that rule, or one of its else branches, refers to.
func references(graph *ast.Graph, rule *ast.Rule) []*ast.Rule {
	var out []*ast.Rule
	for branch := rule; branch != nil; branch = branch.Else {
		for dependency := range graph.Dependencies(branch) {
			if next, ok := dependency.(*ast.Rule); ok {
				out = append(out, next)
			}
		}
	}
	return out
}
