package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// carried is what one revision leaves to the next, which usually differs in a
// file or two: what did not change is neither read nor compiled again. It is for
// one set of Options and for one goroutine at a time.
type carried struct {
	documents parsedDocuments
	modules   parsedModules
	names     sharedNames
	policies  *policies // nil before something was compiled
}

// policies are modules, compiled: a revision without its data.
type policies struct {
	id       [sha256.Size]byte // of the modules
	own      []*ast.Module     // without the library
	warnings []Problem
	compiler *ast.Compiler
	rules    []*rule
}

// maxProblems bounds how many compile errors are collected and shown.
const maxProblems = 100

// maxCompiledPatterns bounds the regular expressions, globs and schemas a
// revision keeps compiled.
const maxCompiledPatterns = 10_000

// build makes a revision of content. Mistakes come back as one *LoadError.
func (c *carried) build(ctx context.Context, content Content, options Options) (*Revision, error) {
	options.Entries = options.Entries.orDefault()
	entries := options.Entries.all()
	capabilities := ast.CapabilitiesForThisVersion()
	// A nil list would allow every host.
	capabilities.AllowNet = slices.Clone(options.AllowedHosts)
	if capabilities.AllowNet == nil {
		capabilities.AllowNet = []string{}
	}

	var found problems
	next := &policies{id: modulesID(content.Modules)}
	parsed := map[string]*ast.Module{}
	var defined map[string]bool
	names := c.names
	unchanged := c.policies != nil && c.policies.id == next.id
	if !unchanged {
		c.modules.parse(options.Library.Modules, capabilities, parsed, &found)
		next.own = c.modules.parse(content.Modules, capabilities, parsed, &found)
		c.modules.forget()
		checkPackages(next.own, &found)
		for _, mistake := range footprint.CheckAnnotations(next.own) {
			found.at(mistake.Location, "%s", mistake.Message)
		}
		defined = checkShapes(next.own, entries, &found)
		names = namesIn(parsed, names)
	}
	c.documents.names = names
	data := mergeDocuments(content.Documents, &c.documents, &found)
	checkEntryData(data, entries, content.Documents, &c.documents, &found)
	if err := found.err(); err != nil {
		return nil, err
	}

	// The compiler stays when data changes, and must not hold on to this.
	conflictsWith := data
	conflicts := func(path []string) (bool, error) { return hasPath(conflictsWith, path), nil }
	defer func() { conflictsWith = nil }()
	if unchanged {
		if errs := ast.CheckPathConflicts(c.policies.compiler, conflicts); len(errs) > 0 {
			found.opa("", errs)
			return nil, found.err()
		}
	} else {
		next.warnings = slices.Concat(lookalikes(next.own, options.Entries), strays(next.own, entries), unanswered(options.Entries, defined))
		next.compiler = ast.NewCompiler().WithCapabilities(capabilities).WithPathConflictsCheck(conflicts)
		next.compiler.SetErrorLimit(maxProblems)
		if next.compiler.Compile(parsed); next.compiler.Failed() {
			found.opa("", next.compiler.Errors)
			return nil, found.err()
		}
		if err := next.prepare(ctx, options, defined, c.policies, names); err != nil {
			return nil, err
		}
		c.policies, c.names = next, names
	}

	revision := &Revision{
		id:                 contentID(content, options),
		modules:            c.policies.id,
		parsed:             c.policies.own,
		warnings:           c.policies.warnings,
		data:               data,
		profiles:           map[string]int{},
		allowedSystemNames: map[string]bool{},
	}
	for _, r := range c.policies.rules {
		own := *r // a revision gives its rules classes of nodes
		revision.rules = append(revision.rules, &own)
	}
	for i, name := range options.Entries.Profiles {
		revision.profiles[name] = ruleCount + i*schedulingRules
	}
	for _, name := range options.AllowedSystemNames {
		revision.allowedSystemNames[name] = true
	}
	return revision, nil
}

// prepare makes the entry rules ready to be asked. Of those before it takes the
// programs of rules that did not change.
func (p *policies) prepare(ctx context.Context, options Options, defined map[string]bool, before *policies, known sharedNames) error {
	// Without a limit it would grow with every pattern that comes from an input.
	limit := maxCompiledPatterns
	values := cache.NewInterQueryValueCache(ctx, &cache.Config{
		InterQueryBuiltinValueCache: cache.InterQueryBuiltinValueCacheConfig{MaxNumEntries: &limit},
	})
	for index, e := range options.Entries.table() {
		if !defined[e.path] {
			p.rules = append(p.rules, undefinedRule(index, e))
			continue
		}
		reads := footprint.Of(p.compiler, entryRef(e.path))
		if options.narrow != nil {
			options.narrow(e.path, reads)
		}
		r := newRule(index, e, reads)
		if before != nil && r.takeProgram(before.rules[index], p.compiler, values) {
			p.rules = append(p.rules, r)
			continue
		}
		if err := r.prepare(ctx, p.compiler, values, known, options.InterpreterOnly); err != nil {
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
type parsedModules struct {
	byID  map[[sha256.Size]byte]parsedModule
	round int
}

type parsedModule struct {
	module *ast.Module
	round  int // in which it was last asked for
}

func (p *parsedModules) parse(modules []Module, capabilities *ast.Capabilities, into map[string]*ast.Module, found *problems) []*ast.Module {
	var out []*ast.Module
	for _, m := range modules {
		if _, twice := into[m.Path]; twice {
			found.file(m.Path, "delivered twice: name each policy folder once")
			continue
		}
		module, err := p.module(m, capabilities)
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

func (p *parsedModules) module(m Module, capabilities *ast.Capabilities) (*ast.Module, error) {
	id := m.id()
	known, ok := p.byID[id]
	if !ok {
		module, err := ast.ParseModuleWithOpts(m.Path, string(m.Source), ast.ParserOptions{
			RegoVersion:       ast.RegoV1,
			ProcessAnnotation: true,
			Capabilities:      capabilities,
		})
		if err != nil {
			return nil, err
		}
		known.module = module
	}
	known.round = p.round
	if p.byID == nil {
		p.byID = map[[sha256.Size]byte]parsedModule{}
	}
	p.byID[id] = known
	return known.module, nil
}

// forget drops what this round did not ask for.
func (p *parsedModules) forget() {
	for id, known := range p.byID {
		if known.round != p.round {
			delete(p.byID, id)
		}
	}
	p.round++
}
