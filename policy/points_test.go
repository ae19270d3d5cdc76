package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestDefaultPaths(t *testing.T) {
	want := []string{
		"kubernetes.authentication.user",
		"kubernetes.authentication.deny",
		"kubernetes.authorization.allow",
		"kubernetes.authorization.deny",
		"kubernetes.scheduling.reject",
		"kubernetes.scheduling.unresolvable",
		"kubernetes.scheduling.score",
		"kubernetes.scheduling.protect",
		"kubernetes.scheduling.deny",
		"kubernetes.scheduling.annotate",
	}
	var got []string
	for _, e := range (Entries{Paths: defaultPaths()}).all() {
		if slices.Contains(want, e.path) {
			got = append(got, e.path)
		}
	}
	equal(t, "paths", got, want)
}

// TestPointRows holds what the engine takes for granted of the table.
func TestPointRows(t *testing.T) {
	for _, p := range Points() {
		row := points[p]
		t.Run(p.String(), func(t *testing.T) {
			if got, err := PointOf(row.name); err != nil || got != p {
				t.Errorf("the point of that name is %v, with error %v", got, err)
			}
			for i, rule := range row.rules {
				if rule.name == "" || rule.shape == nil {
					t.Errorf("rule %d has no name or no shape", i)
				}
				if rule.outcome != "" && rule.shape != reasonsShape {
					t.Errorf("%s has an outcome, and gives no reasons", rule.name)
				}
			}
			for _, name := range row.asked {
				at := slices.IndexFunc(row.rules, func(rule ruleRow) bool { return rule.name == name })
				if at < 0 {
					t.Fatalf("%s is asked, and is no rule of the point", name)
				}
				if row.explain == nil && row.rules[at].shape != reasonsShape {
					t.Errorf("%s gives no reasons: explain has to be set", name)
				}
			}
			if (row.explain == nil) != (row.otherwise != "") {
				t.Error("a point has either explain or an outcome where no rule decides")
			}
		})
	}
	if got := len(points[SchedulingPoint].rules); SchedulingPoint != pointCount-1 || got != schedulingRules {
		t.Errorf("scheduling is not the last point with %d rules, but has %d", schedulingRules, got)
	}
}

func TestPointOf(t *testing.T) {
	_, err := PointOf("mutation")
	if err == nil || !strings.HasPrefix(err.Error(), "must be authentication, authorization") || !strings.HasSuffix(err.Error(), " or scheduling") {
		t.Errorf("got error %v for a point that there is not", err)
	}
}
