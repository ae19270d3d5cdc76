package policy_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// construct is one way in which policies read or decide something. A table of them
// replaces a choice by number: each has a name, and is written weight times as often
// as one of weight 1.
type construct[F any] struct {
	name   string
	weight int
	write  F
}

// The tables of constructs.
const (
	readTable    = "read"
	textTable    = "condition on a string"
	textsTable   = "condition on a list of strings"
	objectsTable = "condition on a list of objects"
	numberTable  = "condition on a number or flag"
	dataTable    = "condition on data"
	reasonTable  = "reason"
	scoreTable   = "score"
)

// conditionTables are those that condition chooses from, with the kind of field that
// each is for.
var conditionTables = []struct {
	name string
	kind kind
}{{textTable, text}, {textsTable, texts}, {objectsTable, objects}, {numberTable, number}, {dataTable, text}}

// tables are all the constructs.
type tables struct {
	reads      []construct[func(w *policyWriter, b *body, at position) string]
	conditions map[string][]construct[func(w *policyWriter, b *body, l leaf) string]
	reasons    []construct[func(w *policyWriter, b *body, label, shown string) string]
	scores     []construct[func(w *policyWriter, b *body) string]
}

func allTables() tables {
	return tables{
		reads: slices.Concat(readsByRules(), readsByFunctions(), readsByValues(), readsByMocks()),
		conditions: map[string][]construct[func(w *policyWriter, b *body, l leaf) string]{
			textTable: textConditions(), textsTable: textsConditions(), objectsTable: objectsConditions(),
			numberTable: numberConditions(), dataTable: dataConditions(),
		},
		reasons: reasons(),
		scores:  scores(),
	}
}

// constructName is the name of a construct with that of its table, as -construct takes it.
func constructName(table, name string) string { return table + ": " + name }

// names lists every construct.
func (t tables) names() []string {
	out := names(readTable, t.reads)
	for _, each := range conditionTables {
		out = append(out, names(each.name, t.conditions[each.name])...)
	}
	return append(append(out, names(reasonTable, t.reasons)...), names(scoreTable, t.scores)...)
}

func names[F any](table string, from []construct[F]) []string {
	var out []string
	for _, c := range from {
		out = append(out, constructName(table, c.name))
	}
	return out
}

// prefers reports whether a construct of table was asked for by name.
func (w *policyWriter) prefers(table string) bool {
	return w.prefer != "" && slices.ContainsFunc(w.tables.names(), func(name string) bool {
		return strings.HasPrefix(name, table+": ") && strings.Contains(name, w.prefer)
	})
}

// choose takes a construct of a table by weight, among those that were asked for by name
// if there are any.
func choose[F any](w *policyWriter, table string, from []construct[F]) construct[F] {
	if w.prefers(table) {
		from = slices.DeleteFunc(slices.Clone(from), func(c construct[F]) bool {
			return !strings.Contains(constructName(table, c.name), w.prefer)
		})
	}
	total := 0
	for _, c := range from {
		total += c.weight
	}
	n := w.r.IntN(total)
	for _, c := range from {
		if n -= c.weight; n < 0 {
			return c
		}
	}
	panic("the weights do not add up")
}

// TestConstructsAreWritten looks for every construct in the policies of a normal run of
// TestProperty.
func TestConstructsAreWritten(t *testing.T) {
	written := map[string]int{}
	for _, p := range points {
		for i := range uint64(normalRun * shares[p.name] / 100 / decisionsPerWorld) {
			for _, name := range writePolicy(rand.New(rand.NewPCG(*seed+i, 0)), p, "").constructs {
				written[name]++
			}
		}
	}
	for _, name := range allTables().names() {
		if written[name] == 0 {
			t.Errorf("no policy has the construct %q", name)
		}
	}
}

// TestConstructsDecide looks, for every construct, for a rule and two inputs that the
// rule decides differently, by stock OPA.
func TestConstructsDecide(t *testing.T) {
	for _, name := range allTables().names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for try := range uint64(60) {
				p := []*point{schedulingPoint, authorizationPoint}[try%2]
				if strings.HasPrefix(name, scoreTable) {
					p = schedulingPoint
				}
				if decides(t, name, p, try) {
					return
				}
			}
			t.Error("every rule with it decides all inputs alike")
		})
	}
}

// decides writes one rule with the construct and reports whether its value depends on
// the input.
func decides(t *testing.T, name string, p *point, seed uint64) bool {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 5))
	written, rule := writeRule(random, p, name)
	if !slices.Contains(written.constructs, name) {
		return false
	}
	compiler, err := compileModules(written.files)
	if err != nil {
		return false
	}
	data := p.data(random)
	truth, err := newReference(t.Context(), p, compiler, map[string]any{"static": data.static, "access": data.access, "cluster": data.cluster})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[decision]bool{}
	for range 60 {
		if value := truth.contribution(rule, p.request(random, p.document(random))); value != failure {
			seen[value] = true
		}
		if len(seen) > 1 {
			return true
		}
	}
	return false
}

// writeRule is a policy with one rule, which is of one construct as far as that is its
// value: what it reads, the condition, or the reason.
func writeRule(r *rand.Rand, p *point, name string) (written generated, rule string) {
	w := newPolicyWriter(r, p, name)
	b := &body{pkg: p.pkg}
	rule = map[string]string{"authorization": "allow", "scheduling": "reject"}[p.name]
	table, _, _ := strings.Cut(name, ": ")
	switch table {
	case readTable:
		// With depth 1 nothing is within the construct but references.
		v := w.variable(b, w.read(b, w.someLeaf(text).path, 1))
		w.write(p.pkg, b.text(rule+` contains sprintf("%v", [`+v+`])`))
	case scoreTable:
		rule = "score"
		if name == constructName(scoreTable, "constant") {
			w.condition(b) // nothing else of it depends on the input
		}
		score := w.score(b)
		w.write(p.pkg, b.text(`score["s"] := `+score))
	case reasonTable:
		reason := w.reason(b, w.conditions(b))
		w.write(p.pkg, b.text(rule+" contains "+reason))
	default:
		w.condition(b)
		w.write(p.pkg, b.text(rule+` contains "held"`))
	}
	return w.policy(), rule
}
