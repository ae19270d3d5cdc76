package policy

import (
	"bytes"

	"github.com/open-policy-agent/opa/v1/ast"
)

// Bounds of what a revision is compiled from. Go ends the whole process where a
// goroutine's stack or the memory is exhausted, and OPA's compiler has no bounds of
// its own beyond its parser's. All are far above what people write.
const (
	// maxTokens bounds the names, numbers, strings and signs of all policy files
	// together. Each takes about 500 bytes while it compiles.
	maxTokens = 1_000_000
	// maxNesting bounds how deep terms and bodies lie within each other.
	maxNesting = 1_000
	// maxClosures bounds how deep comprehensions, every and not lie within each
	// other: with each level OPA's compiler takes up to twice the time.
	maxClosures = 10
	// maxKeyNesting bounds how deep a key of an object lies within itself: with each
	// object in it OPA's compiler takes up to four times the time.
	maxKeyNesting = 8
	// maxElse bounds the else branches of a rule. OPA's compiler takes time by the
	// square of their number.
	maxElse = 20_000
	// maxReference bounds the elements of a reference or the name of a package.
	maxReference = 500
	// maxRuleDepth bounds how many rules refer to one another in a row. Evaluation
	// takes a part of a goroutine's stack for each.
	maxRuleDepth = 1_000
)

// checkSize bounds modules before they are parsed.
func checkSize(modules []Module) error {
	n := 0
	for _, m := range modules {
		tokens, brackets := countTokens(m.Source, maxTokens-n)
		var found problems
		if n += tokens; n > maxTokens {
			found.file(m.Path, "the policies up to this file have more than %d names, numbers and signs: put tables into data files, or load fewer policies", maxTokens)
		} else if brackets > maxNesting {
			// OPA's parser has an error with the text of the line for each bracket
			// that it does not understand the inside of.
			found.file(m.Path, "brackets lie %d deep within each other, at most %d are taken: give the parts names, or put tables into data files", brackets, maxNesting)
		}
		if err := found.err(); err != nil {
			return err
		}
	}
	return nil
}

// countTokens counts the tokens of a Rego file, no further than to one more than
// limit, and says how deep brackets lie within each other in what it has counted.
// What is between the quotes of a string is one token, as in templates, whose
// expressions count each sign.
func countTokens(source []byte, limit int) (n, deepest int) {
	depth := 0
	for i := 0; i < len(source) && n <= limit; i++ {
		switch c := source[i]; {
		case c == ' ', c == '\t', c == '\r', c == '\n':
		case c == '#':
			i = lineEnd(source, i)
		case c == '$' && i+1 < len(source) && (source[i+1] == '"' || source[i+1] == '`'):
			n++
			i++ // what is in a template is counted as if it were not in one
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

// lineEnd is the place of the last byte of the line.
func lineEnd(source []byte, i int) int {
	for i+1 < len(source) && source[i+1] != '\n' {
		i++
	}
	return i
}

// rawStringEnd is the place of the quote that ends the string that begins at i.
func rawStringEnd(source []byte, i int) int {
	n := bytes.IndexByte(source[i+1:], '`')
	if n < 0 {
		return len(source)
	}
	return i + 1 + n
}

// stringEnd is the place of the quote that ends the string that begins at i, or of
// the end of the line: strings in quotes have one line.
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

// checkNesting bounds how deep the parts of a module lie within each other.
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
				n.walk(branch.Head.Key) // which OPA's visitor leaves out
			}
		}
		if branches-1 > maxElse {
			n.fault(rule.Location, "the rule has %d else branches, at most %d are taken: look the value up in an object, or write rules of their own", branches-1, maxElse)
		}
	}
	if len(n.faults) == 0 {
		return nil
	}
	return n.faults
}

// nesting walks a part of a module.
type nesting struct {
	depth, closures int
	location        *ast.Location // of what is walked, as well as is known
	faults          ast.Errors
	visitor         *ast.BeforeAfterVisitor
}

func (n *nesting) walk(part any) {
	n.depth, n.closures = 0, 0
	n.visitor = ast.NewBeforeAfterVisitor(n.before, n.after)
	n.visitor.Walk(part)
}

// before implements one half of the visitor: true ends the walk into x.
func (n *nesting) before(x any) bool {
	n.depth++
	switch x := x.(type) {
	case *ast.Expr:
		if x.Location != nil {
			n.location = x.Location
		}
	case ast.Ref:
		if len(x) > maxReference {
			return n.fault(n.location, "a reference has %d elements, at most %d are taken", len(x), maxReference)
		}
	}
	if object, ok := x.(ast.Object); ok && deepKeys(object) {
		return n.fault(n.location, "a key of an object is more than %d deep: use strings", maxKeyNesting)
	}
	if isClosure(x) {
		if n.closures++; n.closures > maxClosures {
			return n.fault(n.location, "comprehensions, every and not lie more than %d deep within each other: give inner ones rules of their own", maxClosures)
		}
	}
	if n.depth > maxNesting {
		return n.fault(n.location, "terms and bodies lie more than %d deep within each other: give inner ones rules of their own", maxNesting/2)
	}
	if template, ok := x.(*ast.TemplateString); ok {
		for _, inner := range template.Parts {
			n.visitor.Walk(inner) // which OPA's visitor leaves out
		}
	}
	return false
}

// deepKeys reports whether a key of object lies deeper within itself than maxKeyNesting.
func deepKeys(object ast.Object) bool {
	deep := false
	object.Foreach(func(key, _ *ast.Term) {
		if deep || ast.IsScalar(key.Value) {
			return
		}
		depth := 0 // a term and its value count each
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

// fault notes what is wrong, once for a place, and ends the walk into it.
func (n *nesting) fault(at *ast.Location, format string, args ...any) bool {
	if len(n.faults) < maxProblems && (len(n.faults) == 0 || n.faults[len(n.faults)-1].Location != at) {
		n.faults = append(n.faults, ast.NewError("limit", at, format, args...))
	}
	return true
}

// checkRuleDepth bounds how many rules refer to one another in a row, of those that
// the compiler knows from its stage SetGraph on. Rules that refer to themselves are
// refused by a later stage.
func checkRuleDepth(compiler *ast.Compiler) error {
	depths := map[*ast.Rule]int{}
	for _, module := range compiler.Modules {
		for _, rule := range module.Rules {
			if deep := ruleDepth(compiler.Graph, rule, depths); deep != nil {
				var found problems
				found.at(deep.Location, "more than %d rules refer to one another in a row, from this one on", maxRuleDepth)
				return found.err()
			}
		}
	}
	return nil
}

// visit is a rule on the way of a depth-first walk.
type visit struct {
	rule *ast.Rule
	next []*ast.Rule // those not looked at yet
}

// ruleDepth notes the depth of rule and of those it refers to: 1 for a rule that
// refers to none, 0 for one that is on the way. It returns the first that is too
// deep. It keeps its own stack, since that is what it bounds.
func ruleDepth(graph *ast.Graph, rule *ast.Rule, depths map[*ast.Rule]int) *ast.Rule {
	if _, known := depths[rule]; known {
		return nil
	}
	depths[rule] = 0
	way := []visit{{rule, references(graph, rule)}}
	for len(way) > 0 {
		if len(way) > maxRuleDepth {
			return way[0].rule
		}
		top := &way[len(way)-1]
		if len(top.next) > 0 {
			next := top.next[0]
			top.next = top.next[1:]
			if _, known := depths[next]; !known {
				depths[next] = 0
				way = append(way, visit{next, references(graph, next)})
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
		way = way[:len(way)-1]
	}
	return nil
}

// references are the rules that rule, or one of its else branches, refers to.
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
