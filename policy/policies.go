package policy

import (
	"crypto/sha256"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator/sandbox"
	"github.com/verdict-dev/verdict/policy/footprint"
)

// policies are modules, compiled: a revision without its data.
type policies struct {
	id       [sha256.Size]byte // of the modules
	own      []*ast.Module     // without the library
	warnings []Problem
	names    document.Names
	compiler *ast.Compiler
	rules    []*rule
}

// prepare makes the entry rules ready to be asked. Of those before it takes the
// programs of rules that did not change.
func (p *policies) prepare(l *load, options Options, defined map[string]bool, before *policies) error {
	compiled := options.patterns
	if compiled == nil {
		compiled = newPatterns(options.Cache.budget())
	}
	values := sandbox.WithFolders(compiled, options.AllowedFolders)
	for index, e := range options.Entries.table() {
		if !defined[e.path] {
			p.rules = append(p.rules, undefinedRule(index, e))
			continue
		}
		if err := l.checkpoint(); err != nil {
			return err
		}
		l.doing("what " + e.path + " reads")
		reads := footprint.Of(p.compiler, entryRef(e.path))
		if options.narrow != nil {
			options.narrow(e.path, reads)
		}
		r := newRule(index, e, reads)
		if before != nil && r.takeProgram(before.rules[index], p.compiler, values) {
			p.rules = append(p.rules, r)
			continue
		}
		l.doing("compiling " + e.path)
		if err := r.prepare(l.ctx, p.compiler, values, p.names, options.InterpreterOnly); err != nil {
			return fmt.Errorf("entry rule %s: %w", e.path, err)
		}
		p.rules = append(p.rules, r)
	}
	return nil
}
