package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/footprint"
)

// build makes a revision of content. Mistakes come back as one *LoadError.
func (c *buildCache) build(l *load, content Content, options Options) (*Revision, error) {
	options.Entries = options.Entries.orDefault()
	var found problems
	b := policiesBuild{load: l, options: options, entries: options.Entries.all(), before: c.policies, found: &found}
	next := c.policies
	changed := next == nil || next.id != modulesID(content.Modules)
	if changed {
		var err error
		if next, err = b.parse(&c.modules, content.Modules); err != nil {
			return nil, err
		}
	}
	l.doing("reading data")
	c.documents.names = next.names
	data := mergeDocuments(content.Documents, &c.documents, &found)
	checkEntryData(data, b.entries, content.Documents, &c.documents, &found)
	if err := found.err(); err != nil {
		return nil, err
	}

	// The compiler stays when data changes, and must not hold on to this.
	conflictsWith := data
	defer func() { conflictsWith = nil }()
	conflicts := func(path []string) (bool, error) { return hasPath(conflictsWith, path), nil }
	if changed {
		if err := b.compile(next, conflicts); err != nil {
			return nil, err
		}
		c.policies = next
	} else if errs := ast.CheckPathConflicts(next.compiler, conflicts); len(errs) > 0 {
		found.opa("", errs)
		return nil, found.err()
	}
	return next.revision(contentID(content, options), data, options), nil
}

// policiesBuild makes policies of modules that changed: parse comes before the data
// is read, compile after.
type policiesBuild struct {
	load    *load
	options Options
	entries []entry
	before  *policies // the policies that were compiled last, nil for none
	found   *problems

	capabilities *ast.Capabilities
	parsed       map[string]*ast.Module // by path, the library included
	defined      map[string]bool        // the paths of entry rules that have rules
}

// parse parses modules, and finds the mistakes in them that do not need the compiler.
// Its error is that of a load that ends here; all other mistakes are in found.
func (b *policiesBuild) parse(known *parsedModules, modules []Module) (*policies, error) {
	b.load.doing("parsing")
	if err := checkSize(modules); err != nil {
		return nil, err
	}
	b.capabilities = capabilitiesOf(b.options)
	b.parsed = map[string]*ast.Module{}
	next := &policies{id: modulesID(modules)}
	known.parse(b.load, b.options.Library.Modules, b.capabilities, b.parsed, b.found)
	next.own = known.parse(b.load, modules, b.capabilities, b.parsed, b.found)
	known.forget()
	if err := b.load.checkpoint(); err != nil {
		return nil, err
	}
	b.load.doing("checking packages and entry rules")
	checkPackages(next.own, b.found)
	for _, mistake := range footprint.CheckAnnotations(next.own) {
		b.found.at(mistake.Location, "%s", mistake.Message)
	}
	mergeAnnotations(b.parsed, b.found)
	b.defined = checkShapes(next.own, b.entries, b.found)
	var before document.Names
	if b.before != nil {
		before = b.before.names
	}
	next.names = namesIn(b.parsed, before)
	return next, nil
}

// capabilitiesOf says which hosts policies may reach.
func capabilitiesOf(options Options) *ast.Capabilities {
	out := ast.CapabilitiesForThisVersion()
	// A nil list would allow every host.
	out.AllowNet = slices.Clone(options.AllowedHosts)
	if out.AllowNet == nil {
		out.AllowNet = []string{}
	}
	return out
}

// compile compiles what parse parsed, and makes the entry rules of next ready.
// conflicts reports whether there is data at a path.
func (b *policiesBuild) compile(next *policies, conflicts func(path []string) (bool, error)) error {
	next.warnings = slices.Concat(lookalikes(next.own, b.options.Entries), strays(next.own, b.entries), unanswered(b.options.Entries, b.defined))
	next.compiler = ast.NewCompiler().WithCapabilities(b.capabilities).WithPathConflictsCheck(conflicts)
	next.compiler.SetErrorLimit(maxProblems)
	b.load.watchStages(next.compiler)
	if next.compiler.Compile(b.parsed); next.compiler.Failed() {
		b.found.opa("", next.compiler.Errors)
		return b.found.err()
	}
	if err := next.prepare(b.load, b.options, b.defined, b.before); err != nil {
		return err
	}
	next.warnings = append(next.warnings, hiddenAnnotations(next.rules, next.own, b.options.PodAnnotations)...)
	return nil
}

// revision is the policies with data. options.Entries are those that the policies
// were compiled for.
func (p *policies) revision(id string, data ast.Object, options Options) *Revision {
	out := &Revision{
		id:       id,
		modules:  p.id,
		parsed:   p.own,
		warnings: p.warnings,
		data:     data,
		rules:    p.rules,
		profiles: map[string]int{},
		allowed:  allowances{systemNames: allowanceOf(options.AllowedSystemNames), extraKeys: allowanceOf(options.AllowedExtraKeys)},
	}
	for i, name := range options.Entries.Profiles {
		out.profiles[name] = ruleCount + i*schedulingRules
	}
	return out
}
