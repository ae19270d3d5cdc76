package policy

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator/sandbox"
	"github.com/verdict-dev/verdict/policy/footprint"
)

// carried is what one revision leaves to the next, which usually differs in a
// file or two: what did not change is neither read nor compiled again. It is for
// one set of Options and for one goroutine at a time.
type carried struct {
	documents parsedDocuments
	modules   parsedModules
	policies  *policies // nil before something was compiled
}

// policies are modules, compiled: a revision without its data.
type policies struct {
	id       [sha256.Size]byte // of the modules
	own      []*ast.Module     // without the library
	warnings []Problem
	names    document.Names
	compiler *ast.Compiler
	rules    []*rule
}

// build makes a revision of content. Mistakes come back as one *LoadError.
func (c *carried) build(l *load, content Content, options Options) (*Revision, error) {
	options.Entries = options.Entries.orDefault()
	entries := options.Entries.all()
	capabilities := ast.CapabilitiesForThisVersion()
	// A nil list would allow every host.
	capabilities.AllowNet = slices.Clone(options.AllowedHosts)
	if capabilities.AllowNet == nil {
		capabilities.AllowNet = []string{}
	}

	var found problems
	next, parsed, defined := c.policies, map[string]*ast.Module{}, map[string]bool{}
	changed := next == nil || next.id != modulesID(content.Modules)
	if changed {
		l.doing("parsing")
		if err := checkSize(content.Modules); err != nil {
			return nil, err
		}
		next = &policies{id: modulesID(content.Modules)}
		c.modules.parse(l, options.Library.Modules, capabilities, parsed, &found)
		next.own = c.modules.parse(l, content.Modules, capabilities, parsed, &found)
		c.modules.forget()
		if err := l.checkpoint(); err != nil {
			return nil, err
		}
		l.doing("checking packages and entry rules")
		checkPackages(next.own, &found)
		for _, mistake := range footprint.CheckAnnotations(next.own) {
			found.at(mistake.Location, "%s", mistake.Message)
		}
		mergeAnnotations(parsed, &found)
		defined = checkShapes(next.own, entries, &found)
		next.names = namesIn(parsed, c.policies)
	}
	l.doing("reading data")
	c.documents.names = next.names
	data := mergeDocuments(content.Documents, &c.documents, &found)
	checkEntryData(data, entries, content.Documents, &c.documents, &found)
	if err := found.err(); err != nil {
		return nil, err
	}

	// The compiler stays when data changes, and must not hold on to this.
	conflictsWith := data
	defer func() { conflictsWith = nil }()
	conflicts := func(path []string) (bool, error) { return hasPath(conflictsWith, path), nil }
	if changed {
		next.warnings = slices.Concat(lookalikes(next.own, options.Entries), strays(next.own, entries), unanswered(options.Entries, defined))
		next.compiler = ast.NewCompiler().WithCapabilities(capabilities).WithPathConflictsCheck(conflicts)
		next.compiler.SetErrorLimit(maxProblems)
		l.watchStages(next.compiler)
		if next.compiler.Compile(parsed); next.compiler.Failed() {
			found.opa("", next.compiler.Errors)
			return nil, found.err()
		}
		if err := next.prepare(l, options, defined, c.policies); err != nil {
			return nil, err
		}
		next.warnings = append(next.warnings, hiddenAnnotations(next.rules, next.own, options.PodAnnotations)...)
		c.policies = next
	} else if errs := ast.CheckPathConflicts(next.compiler, conflicts); len(errs) > 0 {
		found.opa("", errs)
		return nil, found.err()
	}

	revision := &Revision{
		id:                 contentID(content, options),
		modules:            next.id,
		parsed:             next.own,
		warnings:           next.warnings,
		data:               data,
		rules:              next.rules,
		profiles:           map[string]int{},
		allowedSystemNames: allowanceOf(options.AllowedSystemNames),
		allowedExtraKeys:   allowanceOf(options.AllowedExtraKeys),
	}
	for i, name := range options.Entries.Profiles {
		revision.profiles[name] = ruleCount + i*schedulingRules
	}
	return revision, nil
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

// modulesID hashes modules with their paths, which errors and warnings name.
func modulesID(modules []Module) [sha256.Size]byte {
	h := sha256.New()
	for _, m := range modules {
		id := m.id()
		h.Write(id[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (m *Module) id() [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(m.Path), m.Path)
	h.Write(m.Source)
	return [sha256.Size]byte(h.Sum(nil))
}

// parsedModules are those of the last revision. The compiler copies them before
// it changes anything.
type parsedModules struct{ lastRead[*ast.Module] }

func (p *parsedModules) parse(l *load, modules []Module, capabilities *ast.Capabilities, into map[string]*ast.Module, found *problems) []*ast.Module {
	var out []*ast.Module
	defer func() { l.file = "" }()
	for _, m := range modules {
		if l.ctx.Err() != nil {
			return out
		}
		l.file = m.Path
		if _, twice := into[m.Path]; twice {
			found.file(m.Path, "delivered twice: name each policy folder once")
			continue
		}
		module, err := p.get(m.id(), func() (*ast.Module, error) {
			return parseModule(&m, capabilities)
		})
		switch {
		case err != nil:
			found.opa(m.Path, err)
		case module == nil || module.Package == nil:
			found.file(m.Path, "the file is empty: it needs a package")
		default:
			into[m.Path] = module
			out = append(out, module)
		}
	}
	return out
}

func parseModule(m *Module, capabilities *ast.Capabilities) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(m.Path, string(m.Source), ast.ParserOptions{
		RegoVersion:       ast.RegoV1,
		ProcessAnnotation: true,
		Capabilities:      capabilities,
	})
	if err != nil || module == nil {
		return module, err
	}
	return module, checkNesting(module)
}

// lastRead remembers what the files of the last revision were read as, by a hash
// of what they hold: a reload usually changes few, and what did not change is the
// very same value.
type lastRead[V any] struct {
	byHash map[[sha256.Size]byte]readInRound[V]
	round  int
}

type readInRound[V any] struct {
	value V
	round int // in which it was last asked for
}

// get returns what a file was read as, which read does where it is not known.
func (l *lastRead[V]) get(hash [sha256.Size]byte, read func() (V, error)) (V, error) {
	known, ok := l.byHash[hash]
	if !ok {
		value, err := read()
		if err != nil {
			return value, err
		}
		known.value = value
	}
	known.round = l.round
	if l.byHash == nil {
		l.byHash = map[[sha256.Size]byte]readInRound[V]{}
	}
	l.byHash[hash] = known
	return known.value, nil
}

// forget drops what this round did not ask for.
func (l *lastRead[V]) forget() {
	for hash, known := range l.byHash {
		if known.round != l.round {
			delete(l.byHash, hash)
		}
	}
	l.round++
}
