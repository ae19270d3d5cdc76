package policy

import (
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/footprint"
)

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
		var before document.Names
		if c.policies != nil {
			before = c.policies.names
		}
		next.names = namesIn(parsed, before)
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
		id:       contentID(content, options),
		modules:  next.id,
		parsed:   next.own,
		warnings: next.warnings,
		data:     data,
		rules:    next.rules,
		profiles: map[string]int{},
		allowed:  allowances{systemNames: allowanceOf(options.AllowedSystemNames), extraKeys: allowanceOf(options.AllowedExtraKeys)},
	}
	for i, name := range options.Entries.Profiles {
		revision.profiles[name] = ruleCount + i*schedulingRules
	}
	return revision, nil
}
