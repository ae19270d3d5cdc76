package config

import (
	"reflect"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/verdict-dev/verdict/policy"
)

// TestPointSections: a point without settings of its own has a section with its
// entry rules.
func TestPointSections(t *testing.T) {
	type document struct {
		Other  string        `yaml:"other"`
		Points PointSections `yaml:",inline"`
	}
	const section = "other: a\nauthorization: {entry: {deny: a.b}}\nadmission: {}\n"
	var parsed yaml.Node
	if err := yaml.Unmarshal([]byte(section), &parsed); err != nil {
		t.Fatal(err)
	}
	got := document{Points: PointSections{{policy.AuthorizationPoint, defaultEntry(policy.AuthorizationPoint)}}}
	found := &problems{lines: map[string]int{}, undecoded: map[string]bool{}}
	(&decoder{problems: found}).decode("", parsed.Content[0], reflect.ValueOf(&got).Elem())
	checkMistakes(t, "f", found.err("f"), []string{`:3: admission: unknown field: the fields here are other, authorization`})
	allow, deny := policy.EntryRule{Point: policy.AuthorizationPoint, Name: "allow"}, policy.EntryRule{Point: policy.AuthorizationPoint, Name: "deny"}
	want := document{"a", PointSections{{policy.AuthorizationPoint, Entry{{allow, "kubernetes.authorization.allow"}, {deny, "a.b"}}}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEntriesAreThoseOfThePolicy(t *testing.T) {
	c := Default()
	c.Scheduling.Profiles = []string{"gpu"}
	c.Scheduling.Entry[0].Path = "a.b"
	want := policy.Entries{Paths: map[policy.EntryRule]string{}, Profiles: []string{"gpu"}}
	for _, point := range policy.Points() {
		for _, rule := range point.EntryRules() {
			want.Paths[rule] = rule.DefaultPath()
		}
	}
	want.Paths[policy.EntryRule{Point: policy.SchedulingPoint, Name: "reject"}] = "a.b"
	if got := c.Entries(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
