package config

import (
	"strings"

	"github.com/verdict-dev/verdict/policy"
)

// Callers are the certificate names (common name, DNS or URI subject alternative
// name) allowed at each extension point, one item for each of policy.Points; "*"
// allows every certificate that an authority of the client CA signed. With mutual
// TLS an empty list allows no caller.
type Callers []PointCallers

// PointCallers are the callers of one point.
type PointCallers struct {
	Point policy.Point
	Names []string
}

// ByPoint is the lists of names by their point.
func (c Callers) ByPoint() map[policy.Point][]string {
	out := make(map[policy.Point][]string, len(c))
	for _, list := range c {
		out[list.Point] = list.Names
	}
	return out
}

func defaultCallers() Callers {
	var out Callers
	for _, point := range policy.Points() {
		out = append(out, PointCallers{Point: point})
	}
	return out
}

// Entry names the rules that are asked at one point: one item for each of the
// point's entry rules.
type Entry []EntryPath

// EntryPath is where an entry rule is, as a path below `data`.
type EntryPath struct {
	Rule policy.EntryRule
	Path string
}

func defaultEntry(point policy.Point) Entry {
	var out Entry
	for _, rule := range point.EntryRules() {
		out = append(out, EntryPath{rule, rule.DefaultPath()})
	}
	return out
}

// PointSection is the section of a point that has no settings but its entry rules.
type PointSection struct {
	Point policy.Point `yaml:"-"`
	Entry Entry        `yaml:"entry"`
}

// PointSections are those of the points that have no other section.
type PointSections []PointSection

// ownSections are the points whose sections are fields of Configuration.
func (c *Configuration) ownSections() map[policy.Point]*Entry {
	return map[policy.Point]*Entry{
		policy.AuthenticationPoint: &c.Authentication.Entry,
		policy.AuthorizationPoint:  &c.Authorization.Entry,
		policy.SchedulingPoint:     &c.Scheduling.Entry,
	}
}

// defaultPoints gives each point its callers, and its section the paths of its
// entry rules.
func (c *Configuration) defaultPoints() {
	c.Server.Callers = defaultCallers()
	own := c.ownSections()
	for _, point := range policy.Points() {
		if entry := own[point]; entry != nil {
			*entry = defaultEntry(point)
		} else {
			c.Points = append(c.Points, PointSection{point, defaultEntry(point)})
		}
	}
}

// Entries are the entry rules of all points.
func (c *Configuration) Entries() policy.Entries {
	out := policy.Entries{Paths: map[policy.EntryRule]string{}, Profiles: c.Scheduling.Profiles}
	for _, entry := range c.entries() {
		for _, rule := range entry {
			out.Paths[rule.Rule] = rule.Path
		}
	}
	return out
}

// entries are the entry rules, point by point.
func (c *Configuration) entries() []Entry {
	var out []Entry
	own := c.ownSections()
	for _, point := range policy.Points() {
		if entry := own[point]; entry != nil {
			out = append(out, *entry)
		}
	}
	for _, section := range c.Points {
		out = append(out, section.Entry)
	}
	return out
}

func (c Callers) fieldNames() []string {
	names := make([]string, len(c))
	for i := range c {
		names[i] = c[i].Point.String()
	}
	return names
}

func (c Callers) field(index int) any { return &c[index].Names }

func (c Callers) unknown() string {
	return "no such point is served: the points are " + strings.Join(c.fieldNames(), ", ")
}

func (e Entry) fieldNames() []string {
	names := make([]string, len(e))
	for i := range e {
		names[i] = e[i].Rule.Name
	}
	return names
}

func (e Entry) field(index int) any { return &e[index].Path }

func (e Entry) unknown() string { return "unknown field: " + knownFields(e.fieldNames()) }

func (s PointSections) fieldNames() []string {
	names := make([]string, len(s))
	for i := range s {
		names[i] = s[i].Point.String()
	}
	return names
}

func (s PointSections) field(index int) any { return &s[index] }

func (s PointSections) unknown() string { return "unknown field: " + knownFields(s.fieldNames()) }
