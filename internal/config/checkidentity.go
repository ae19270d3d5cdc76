package config

import (
	"regexp"
	"strings"
	"time"
)

// sourceName is what is readable as a metric label and in a log.
var sourceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// identitySources checks sources, of which each has a name of its own and one
// kind. What only the kind itself knows, its constructor checks.
func (c *checker) identitySources(sources []IdentitySource) {
	first := map[string]int{}
	for i := range sources {
		path := item("authentication.sources", i)
		source := &sources[i]
		if c.undecoded[path] {
			continue
		}
		switch earlier, twice := first[source.Name]; {
		case c.undecoded[path+".name"]:
		case source.Name == "":
			c.add(path+".name", "required: policies, metrics and logs know the source by it")
		case !sourceName.MatchString(source.Name):
			c.add(path+".name", "%s is not a name: up to 63 letters, digits, \".\", \"_\" and \"-\", beginning with a letter or digit", quote(source.Name))
		case twice:
			c.add(path+".name", "%s is the name of %s too: each source has a name of its own", quote(source.Name), item("authentication.sources", earlier))
		default:
			first[source.Name] = i
		}
		c.identityKind(path, source)
	}
}

// identityKind checks the one kind that a source has, and makes it the source's.
func (c *checker) identityKind(path string, source *IdentitySource) {
	var given, names []string
	undecoded := false
	for _, section := range source.sections {
		name := section.kind.Name
		names = append(names, name)
		undecoded = undecoded || c.undecoded[path+"."+name]
		if section.config == nil {
			continue
		}
		if given = append(given, name); len(given) > 1 {
			continue
		}
		source.Kind, source.Config = name, section.config
		if !c.undecoded[path+"."+name] {
			section.config.Check(sectionChecker{c, path + "." + name})
		}
	}
	source.sections = nil
	switch {
	case undecoded:
	case len(given) == 0:
		c.add(path, "the source has no kind: add one of %s, such as tokenFile: {path: FILE}", strings.Join(names, ", "))
	case len(given) > 1:
		c.add(path, "the source has the kinds %s: make a source of each", strings.Join(given, " and "))
	}
}

// sectionChecker is the checker of the section at path. It implements
// identity.Checker.
type sectionChecker struct {
	checker *checker
	path    string
}

func (s sectionChecker) at(path string) string {
	if path == "" {
		return s.path
	}
	return s.path + "." + path
}

// Add reports a mistake.
func (s sectionChecker) Add(path, format string, args ...any) {
	s.checker.add(s.at(path), format, args...)
}

// Readable is false where a value could not be decoded.
func (s sectionChecker) Readable(path string) bool { return !s.checker.undecoded[s.at(path)] }

// Given is true where the file has the path.
func (s sectionChecker) Given(path string) bool {
	_, given := s.checker.lines[s.at(path)]
	return given
}

// Names checks a list of which each item says something, once.
func (s sectionChecker) Names(path string, names []string) { s.checker.names(s.at(path), names) }

// OneOf checks that the value is a known one.
func (s sectionChecker) OneOf(path, value string, known []string) {
	oneOf(s.checker, s.at(path), value, known...)
}

// URL checks where tokens and keys are sent to and read from.
func (s sectionChecker) URL(path, value string) bool { return s.checker.url(s.at(path), value) }

// File checks that a file exists, and makes its path absolute.
func (s sectionChecker) File(path string, file *string) { s.checker.file(s.at(path), file) }

// Positive checks a duration.
func (s sectionChecker) Positive(path string, duration time.Duration) {
	s.checker.positive(s.at(path), duration)
}

// NotNegative checks a duration.
func (s sectionChecker) NotNegative(path string, duration time.Duration) {
	s.checker.notNegative(s.at(path), duration)
}

// HasCluster is true when the Kubernetes API is configured, or may be: the mistake
// in its own section was reported.
func (s sectionChecker) HasCluster() bool {
	c := s.checker
	return c.config.Cluster.Kubeconfig != "" || c.config.Cluster.InCluster || c.undecoded["cluster.kubeconfig"] || c.undecoded["cluster.inCluster"]
}
