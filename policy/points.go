package policy

import (
	"fmt"
	"strings"
)

// Point is an extension point: a webhook that Kubernetes calls to get decisions. Each
// point has a row in the table of points.
type Point int

// The extension points.
const (
	// AuthenticationPoint decides which user a token belongs to (TokenReview).
	AuthenticationPoint Point = iota
	// AuthorizationPoint decides what a user may do (SubjectAccessReview).
	AuthorizationPoint
	// SchedulingPoint decides on which nodes a pod may run (scheduler extender). It must
	// be the last point: its rules are followed by the same rules for each profile.
	SchedulingPoint

	pointCount
)

// points is the table of extension points. The engine, explain, inspect, the
// configuration and the metrics take everything about a point from its row.
var points = [pointCount]pointRow{
	AuthenticationPoint: {
		name:    "authentication",
		rules:   []ruleRow{{"user", userShape, ""}, {"deny", reasonsShape, Deny}},
		asked:   []string{"deny", "user"},
		explain: explainUser,
	},
	AuthorizationPoint: {
		name:      "authorization",
		rules:     []ruleRow{{"allow", reasonsShape, Allow}, {"deny", reasonsShape, Deny}},
		asked:     []string{"deny", "allow"},
		otherwise: NoOpinion,
	},
	SchedulingPoint: {
		name: "scheduling",
		rules: []ruleRow{
			Reject:       {"reject", reasonsShape, Deny},
			Unresolvable: {"unresolvable", reasonsShape, Deny},
			Score:        {"score", scoreShape, ""},
			Protect:      {"protect", reasonsShape, Deny},
			BindDeny:     {"deny", reasonsShape, Deny},
			BindAnnotate: {"annotate", annotationsShape, ""},
		},
		asked: []string{"unresolvable", "reject", "score"},

		explain: explainNode,
	},
}

// pointRow is one extension point.
type pointRow struct {
	// name is the name of the point in the configuration, the metrics and the command
	// line. Its rules are in the package kubernetes.NAME unless the configuration gives
	// them other paths.
	name string
	// rules are the entry rules of the point, in the order of lists for people.
	rules []ruleRow
	// asked are the rules that decide about one input, in the order in which they are
	// evaluated. The first rule that has an outcome and gives reasons decides.
	asked []string
	// otherwise is the outcome when none of these rules decides.
	otherwise Outcome
	// explain says in one line what the values of the asked rules come to; reserved
	// lists the names of a user that the configuration does not let a policy give out.
	// Nil: the outcome alone.
	explain func(values []any, reserved func(*User) []string) string
}

// ruleRow is an entry rule of a point.
type ruleRow struct {
	name  string // the last part of its path below `data`
	shape *shape
	// outcome is the outcome for an input for which the rule gives reasons; "" for a rule
	// whose values alone decide nothing.
	outcome Outcome
}

// The entry rules that the engine asks by themselves, by their index in a revision:
// those of the points in their order, then those of each profile.
var (
	userRule         = AuthenticationPoint.index("user")
	userDenyRule     = AuthenticationPoint.index("deny")
	allowRule        = AuthorizationPoint.index("allow")
	denyRule         = AuthorizationPoint.index("deny")
	rejectRule       = SchedulingPoint.index("reject")
	unresolvableRule = SchedulingPoint.index("unresolvable")
	scoreRule        = SchedulingPoint.index("score")

	// firstSchedulingRule is the first of SchedulingPoint, from which on all rules
	// are of scheduling.
	firstSchedulingRule = rejectRule
	ruleCount           = firstSchedulingRule + schedulingRules

	// askedRules are the indexes of what pointRow.asked names.
	askedRules = indexesOfAsked()
)

// index is that of a rule of the point in a revision.
func (p Point) index(rule string) int {
	index := 0
	for _, row := range points[:p] {
		index += len(row.rules)
	}
	for _, row := range points[p].rules {
		if row.name == rule {
			return index
		}
		index++
	}
	panic("the table of points has no rule " + rule + " of " + points[p].name)
}

func indexesOfAsked() (out [pointCount][]int) {
	for p := range points {
		for _, name := range points[p].asked {
			out[p] = append(out[p], Point(p).index(name))
		}
	}
	return out
}

// Points are all extension points, in the order in which they are listed.
func Points() []Point {
	out := make([]Point, pointCount)
	for p := range out {
		out[p] = Point(p)
	}
	return out
}

// PointNames are the names of all points, for messages.
func PointNames() string {
	var names []string
	for _, row := range points {
		names = append(names, row.name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// PointOf returns the point of that name. The error lists all names.
func PointOf(name string) (Point, error) {
	for p, row := range points {
		if row.name == name {
			return Point(p), nil
		}
	}
	return 0, fmt.Errorf("must be %s", PointNames())
}

// String returns the name of the point.
func (p Point) String() string { return points[p].name }

// EntryRules returns the entry rules of the point, in the order of lists for people.
func (p Point) EntryRules() []EntryRule {
	out := make([]EntryRule, 0, len(points[p].rules))
	for _, row := range points[p].rules {
		out = append(out, EntryRule{p, row.name})
	}
	return out
}

// EntryRule is a rule that the engine evaluates for a point.
type EntryRule struct {
	Point Point
	Name  string // such as deny
}

// DefaultPath is the path of the rule below `data` when the configuration gives no
// other path: kubernetes.authorization.allow.
func (r EntryRule) DefaultPath() string { return "kubernetes." + r.Point.String() + "." + r.Name }

// SchedulingRule is an entry rule of SchedulingPoint, which is asked of one pod on
// one node: its index in the row of the point.
type SchedulingRule int

// The entry rules of scheduling.
const (
	// Reject gives reasons that an eviction might cure.
	Reject SchedulingRule = iota
	// Unresolvable gives reasons that no eviction cures.
	Unresolvable
	// Score gives points, 0 to MaxScore.
	Score
	// Protect gives reasons not to evict a pod of the node: the placer's victim.
	Protect
	// BindDeny gives reasons not to bind the pod to the node after all.
	BindDeny
	// BindAnnotate gives the annotations that the pod gets as it is bound.
	BindAnnotate

	schedulingRules = iota
)
