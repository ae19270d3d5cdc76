package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/open-policy-agent/opa/v1/ast"
)

// Revision is one immutable, compiled set of modules and data.
type Revision struct {
	id       string
	modules  [sha256.Size]byte // their id with their paths
	parsed   []*ast.Module     // without the library
	warnings []Problem
	data     ast.Object
	rules    []*rule        // by place; none in the zero Revision
	profiles map[string]int // the place of the first rule of each
	allowed  allowances
}

// ID identifies the modules and data: the same content has the same ID on
// every replica.
func (r *Revision) ID() string { return r.id }

// Modules is how many Rego files the revision holds, the library not counted.
func (r *Revision) Modules() int { return len(r.parsed) }

// Warnings are probable mistakes in policies that compile, such as a rule called
// alow in the package of the entry rule allow.
func (r *Revision) Warnings() []Problem { return r.warnings }

// checkPackages keeps policies out of the library's packages, where a rule
// added to a set would change the meaning of the set in every other policy, and out
// of the roots of data that changes while a revision runs.
func checkPackages(modules []*ast.Module, found *problems) {
	for _, m := range modules {
		for _, root := range []string{"lib", clusterRoot, revokedRoot} {
			if m.Package.Path.HasPrefix(entryRef(root)) {
				found.at(m.Package.Location, "package %s is reserved: %s; choose another name", root, reservedRoots[root])
			}
		}
	}
}

// checkEntryData keeps data out of the paths of entry rules: OPA adds such data to the
// object that rules like user.username fill, so that the data would decide.
func checkEntryData(data ast.Object, entries []entry, documents []Document, parsed *parsedDocuments, found *problems) {
	for _, e := range entries {
		path := strings.Split(e.path, ".")
		if _, reserved := reservedRoots[path[0]]; reserved || !hasPath(data, path) {
			continue
		}
		for _, doc := range documents {
			if gives(doc, parsed, path) {
				found.file(doc.Path, "data.%s takes the place of an entry rule: choose another name", e.path)
			}
		}
	}
}

// contentID hashes everything that decides: modules, data and the options.
func contentID(content Content, options Options) string {
	h := sha256.New()
	write := func(parts ...string) {
		for _, part := range parts {
			fmt.Fprintf(h, "%d:%s", len(part), part)
		}
	}
	for _, set := range []Content{options.Library, content} {
		var lines []string
		for _, m := range set.Modules {
			lines = append(lines, "m\x00"+string(m.Source))
		}
		for _, d := range set.Documents {
			lines = append(lines, "d\x00"+filepath.Ext(d.Path)+"\x00"+strings.Join(d.Prefix, "/")+"\x00"+string(d.Content))
		}
		// The path of a file may differ between replicas, and its content does not. YAML
		// and JSON may give different values for one text.
		slices.Sort(lines)
		write(lines...)
	}
	write(fmt.Sprintf("%+v", options.Entries))
	for _, list := range [][]string{options.AllowedHosts, options.AllowedFolders, options.AllowedSystemNames, options.AllowedExtraKeys} {
		// The length keeps a name from moving between lists unseen.
		write(strconv.Itoa(len(list)))
		write(slices.Sorted(slices.Values(list))...)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// lookalikes finds rules whose name is one slip away from an entry rule's in
// the same package: they compile, and are never evaluated.
func lookalikes(modules []*ast.Module, entries Entries) []Problem {
	var out problems
	for _, m := range modules {
		names := map[string]bool{}
		for _, e := range entries.all() {
			ref := entryRef(e.path)
			if ref[:len(ref)-1].Equal(m.Package.Path) {
				names[string(ref[len(ref)-1].Value.(ast.String))] = true
			}
		}
		for _, rule := range m.Rules {
			name := string(rule.Head.Ref()[0].Value.(ast.Var))
			if names[name] || len(rule.Head.Args) > 0 {
				continue
			}
			for known := range names {
				if oneSlip(name, known) {
					out.at(rule.Location, "rule %s is never evaluated: did you mean %s?", name, known)
				}
			}
		}
	}
	return out
}

// strays finds packages under kubernetes that are no entry rule's and that
// nothing refers to: a deny in kubernetes.authorisation never denies.
func strays(modules []*ast.Module, entries []entry) []Problem {
	var out problems
	root := entryRef("kubernetes")
	for _, m := range modules {
		path := m.Package.Path
		asked := !path.HasPrefix(root)
		for _, e := range entries {
			asked = asked || entryRef(e.path).HasPrefix(path)
		}
		for _, other := range modules {
			if asked {
				break
			}
			if !other.Package.Path.Equal(path) {
				ast.WalkRefs(other, func(r ast.Ref) bool {
					asked = asked || r.HasPrefix(path) || (len(r) > 1 && path.HasPrefix(r.GroundPrefix()) && r[0].Equal(ast.DefaultRootDocument) && !r.Equal(other.Package.Path))
					return false
				})
			}
		}
		name := strings.TrimPrefix(path.String(), "data.")
		profile, isProfile := strings.CutPrefix(name, profilesRoot+".")
		switch {
		case asked:
		case isProfile && !strings.Contains(profile, "."):
			out.at(m.Package.Location, "package %s is never evaluated: add %q to scheduling.profiles, or is its name misspelt?", name, profile)
		default:
			out.at(m.Package.Location, "package %s is never evaluated and nothing refers to it: is its name misspelt?", name)
		}
	}
	return out
}

// unanswered finds entry rules that the configuration names and no policy has: a deny at
// a mistyped path never denies. A profile needs at least one rule, whichever it is.
func unanswered(entries Entries, defined map[string]bool) []Problem {
	var out problems
	names := entries.Profiles
	entries.Profiles = nil
	for _, e := range entries.all() {
		if !defined[e.path] && e.path != (EntryRule{e.point, e.name}).DefaultPath() {
			out.at(nil, "no rule gives %s, which the configuration names as an entry rule", e.path)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(profile(name), func(e entry) bool { return defined[e.path] }) {
			out.at(nil, "the profile %s has no rules: every node fits, and no pod is protected; write them in package %s.%s", name, profilesRoot, name)
		}
	}
	return out
}

// oneSlip reports whether a and b differ by one letter added, dropped or
// replaced, or by letters that changed places.
func oneSlip(a, b string) bool {
	switch levenshtein.ComputeDistance(a, b) {
	case 1:
		return true
	case 2:
		return slices.Equal(slices.Sorted(slices.Values([]byte(a))), slices.Sorted(slices.Values([]byte(b))))
	}
	return false
}
