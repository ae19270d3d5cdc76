package policy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/test/cases"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/identity"
)

// conformanceCase is the modules of one case of OPA's conformance suite, which
// lies in the module itself.
type conformanceCase struct {
	name    string
	sources []string
}

func conformanceCases(tb testing.TB) []conformanceCase {
	tb.Helper()
	out, err := exec.CommandContext(tb.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/open-policy-agent/opa").Output()
	if err != nil {
		tb.Fatal(err)
	}
	var found []conformanceCase
	for _, version := range []string{"v0", "v1"} {
		dir := filepath.Join(strings.TrimSpace(string(out)), "v1", "test", "cases", "testdata", version)
		if _, err := os.Stat(dir); err != nil {
			tb.Fatal(err)
		}
		for i, c := range cases.MustLoad(dir).Sorted().Cases {
			if len(c.Modules) > 0 {
				found = append(found, conformanceCase{fmt.Sprintf("%s/%s/%d", version, c.Note, i), c.Modules})
			}
		}
	}
	return found
}

// entryPoints are the entry rules by the package in which the engine looks for them.
var entryPoints = map[string][]string{
	"kubernetes.authentication": {"user", "deny"},
	"kubernetes.authorization":  {"allow", "deny"},
	"kubernetes.scheduling":     {"reject", "unresolvable", "score", "protect", "deny", "annotate"},
}

// underPoints is content whose packages are those of sources, and beside it what
// makes the entry rules of every point reach all of their rules. Where asEntries is
// not "", the rules of the first package are themselves entry rules of that point.
func underPoints(sources []string, asEntries string) Content {
	out := content(sources...)
	var packages []string
	for i := range out.Modules {
		out.Modules[i].Path = fmt.Sprintf("case%d.rego", i)
		module, err := ast.ParseModuleWithOpts("case", sources[i], ast.ParserOptions{RegoVersion: ast.RegoV1})
		if err != nil || module == nil || module.Package == nil {
			continue
		}
		if !slices.Contains(packages, module.Package.Path.String()) {
			packages = append(packages, module.Package.Path.String())
		}
	}
	if asEntries != "" {
		out.Modules = append([]Module(nil), renamed(out.Modules, asEntries)...)
		return out
	}
	body := "count([1]) == 1"
	for _, name := range packages {
		body += fmt.Sprintf("\n\tx%d := %s\n\tjson.marshal(x%[1]d) != input.x", len(body), name)
	}
	rules := map[string]string{
		"kubernetes.authentication": "user.username := \"a\" if {\n\t" + body + "\n}\n\ndeny contains \"a\" if {\n\t" + body + "\n}",
		"kubernetes.authorization":  "allow contains \"a\" if {\n\t" + body + "\n}\n\ndeny if {\n\t" + body + "\n}",
		"kubernetes.scheduling":     "reject contains \"a\" if {\n\t" + body + "\n}\n\nscore[\"a\"] := 1 if {\n\t" + body + "\n}\n\nannotate[\"a\"] := \"b\" if {\n\t" + body + "\n}",
	}
	for point, text := range rules {
		out.Modules = append(out.Modules, Module{Path: point + ".rego", Source: []byte("package " + point + "\n\n" + text + "\n")})
	}
	return out
}

// renamed puts the rules of modules into the package of a point: its entry rules are
// called as they are asked, by names that the cases use.
func renamed(modules []Module, point string) []Module {
	out := slices.Clone(modules)
	for i, m := range out {
		lines := strings.Split(string(m.Source), "\n")
		for j, line := range lines {
			if strings.HasPrefix(strings.TrimSpace(line), "package ") {
				lines[j] = "package " + point
				break
			}
		}
		source := strings.Join(lines, "\n")
		for k, name := range []string{"p", "q", "r"} {
			names := entryPoints[point]
			source = replaceWord(source, name, names[k%len(names)])
		}
		out[i].Source = []byte(source)
	}
	return out
}

// replaceWord replaces a word where it stands alone.
func replaceWord(text, word, with string) string {
	var out strings.Builder
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && isNameByte(text[end]) {
			end++
		}
		switch {
		case end == i:
			out.WriteByte(text[i])
			end = i + 1
		case text[i:end] == word:
			out.WriteString(with)
		default:
			out.WriteString(text[i:end])
		}
		i = end
	}
	return out.String()
}

// loadAndAsk loads content into e and has it decide. Content is loaded or refused
// in words; what comes of it otherwise is an error.
func loadAndAsk(ctx context.Context, e *Engine, c Content) (loaded bool, err error) {
	err = e.Load(ctx, c)
	switch failed, ok := errors.AsType[*LoadError](err); {
	case err == nil:
		loaded = true
	case !ok:
		return false, fmt.Errorf("loading gives %w, want a *LoadError", err)
	case failed.Stack != nil:
		return false, fmt.Errorf("%w\n%s", err, failed.Stack)
	case len(failed.Problems) == 0 || failed.Error() == "":
		return false, errors.New("refused without a word")
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	view := e.View()
	if view == nil {
		return loaded, nil
	}
	parsed, err := document.Parse([]byte(`{"spec":{"user":"a"},"x":1,"pod":{"metadata":{"name":"p"}},"node":{}}`))
	if err != nil {
		return loaded, err
	}
	defer parsed.Release()
	// What the policy says is not at issue, nor that it has faults of its own.
	_, err = view.Authorize(ctx, parsed.Root())
	_, err2 := view.Authenticate(ctx, parsed.Root(), identity.Identity{Subject: "a"})
	for _, each := range []error{err, err2} {
		if each != nil && strings.Contains(each.Error(), "panicked") {
			return loaded, each
		}
	}
	for _, inspected := range view.Inspect() {
		if inspected.Rule == "" {
			return loaded, errors.New("an entry rule without a name")
		}
	}
	return loaded, nil
}

// TestConformanceModulesLoad loads every module of OPA's conformance suite: below
// its own package, reached from the entry rules of all points, and as entry rules
// of one of them.
func TestConformanceModulesLoad(t *testing.T) {
	const limit = 30 * time.Second // for one, on a busy machine
	found := conformanceCases(t)
	const workers = 2
	var group sync.WaitGroup
	var mu sync.Mutex
	points := slices.Sorted(maps.Keys(entryPoints))
	count, refused := map[string]int{}, map[string]int{}
	for worker := range workers {
		group.Go(func() {
			e := NewEngine(Options{LoadTimeout: limit, EvaluationTimeout: time.Second}, &observed{})
			for i := worker; i < len(found); i += workers {
				for _, as := range []string{"", points[i%len(points)]} {
					loaded, err := loadAndAsk(t.Context(), e, underPoints(found[i].sources, as))
					if err != nil {
						t.Errorf("%s as %q: %v", found[i].name, as, err)
					}
					mu.Lock()
					if count[as]++; !loaded {
						refused[as]++
					}
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	t.Logf("loaded %v cases, of which refused in words %v", count, refused)
	if len(found) < 1000 {
		t.Errorf("%d cases, want OPA's whole suite", len(found))
	}
	if refused[""]*2 > count[""] {
		t.Errorf("%d of %d were refused: do they still say what OPA takes?", refused[""], count[""])
	}
}

// mutator changes Rego text in ways that leave much of it valid.
type mutator struct {
	*rand.Rand
	pool []conformanceCase
}

func (m *mutator) mutate(sources []string) []string {
	out := slices.Clone(sources)
	for range 1 + m.IntN(2) {
		i := m.IntN(len(out))
		switch lines := strings.Split(out[i], "\n"); m.IntN(12) {
		case 0: // a line twice
			at := m.IntN(len(lines))
			out[i] = strings.Join(slices.Insert(lines, at, lines[at]), "\n")
		case 1: // a line less
			at := m.IntN(len(lines))
			out[i] = strings.Join(slices.Delete(lines, at, at+1), "\n")
		case 2: // lines of another module
			other := m.pool[m.IntN(len(m.pool))].sources
			theirs := strings.Split(other[m.IntN(len(other))], "\n")
			from := m.IntN(len(theirs))
			out[i] = strings.Join(append(lines, theirs[from:min(len(theirs), from+1+m.IntN(5))]...), "\n")
		case 3: // another module beside it
			other := m.pool[m.IntN(len(m.pool))].sources
			if len(out) < 8 {
				out = append(out, other[m.IntN(len(other))])
			}
		case 4: // one name for another
			out[i] = m.swapTokens(out[i], isNameByte)
		case 5: // one sign for another
			out[i] = m.swapTokens(out[i], func(b byte) bool { return strings.IndexByte("=:|&<>!+-*/%.,;", b) >= 0 })
		case 6: // around a term
			out[i] = m.around(out[i])
		case 7: // a clause after a rule
			clauses := []string{
				" if { input.a }", " else := 1", " else := data.x if input.b", " with input as {\"a\": 1}", " with data.p as 1", " with count as 3", " contains 1",
				"\ndefault p := 1", "\np.q := 1", "\np contains 1", "\np[x] := 1 if some x in input.a", "\np(x) := x", "\np := 1 if not data.q.p", " if every x in input.a { x == data.r }",
			}
			at := m.IntN(len(lines))
			lines[at] += clauses[m.IntN(len(clauses))]
			out[i] = strings.Join(lines, "\n")
		case 8: // keywords of a kind
			for _, pair := range [][2]string{{" := ", " = "}, {" contains ", " := "}, {" if ", " contains "}, {"some ", "every "}, {"not ", ""}, {"input", "data"}, {"[", "{"}, {"]", "}"}} {
				if m.IntN(4) == 0 {
					out[i] = strings.Replace(out[i], pair[m.IntN(2)], pair[m.IntN(2)], 1+m.IntN(2))
				}
			}
		case 9: // deeper
			n := 1 << m.IntN(11)
			out[i] += "\ndeep := " + strings.Repeat("[", n) + "input.a" + strings.Repeat("]", n)
		case 10: // longer
			n := 1 << m.IntN(8)
			for k := range n {
				out[i] += "\nlong contains " + strconv.Itoa(k) + " if data.long" + strconv.Itoa(k) + "[input.a]"
			}
		default: // part of it
			out[i] = out[i][:m.IntN(len(out[i])+1)]
		}
		if len(out[i]) > 20_000 {
			out[i] = sources[0]
		}
	}
	return out
}

// swapTokens has two runs of bytes of a kind change places.
func (m *mutator) swapTokens(text string, kind func(byte) bool) string {
	var runs [][2]int
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && kind(text[end]) {
			end++
		}
		if end > i {
			runs = append(runs, [2]int{i, end})
		}
		i = max(end, i+1)
	}
	if len(runs) < 2 {
		return text
	}
	a, b := runs[m.IntN(len(runs))], runs[m.IntN(len(runs))]
	if m.IntN(2) == 0 { // or one in the place of the other
		return text[:a[0]] + text[b[0]:b[1]] + text[a[1]:]
	}
	if a[0] > b[0] {
		a, b = b, a
	}
	if a == b {
		return text
	}
	return text[:a[0]] + text[b[0]:b[1]] + text[a[1]:b[0]] + text[a[0]:a[1]] + text[b[1]:]
}

// around puts something around a name.
func (m *mutator) around(text string) string {
	forms := [][2]string{
		{"[", "]"},
		{"{", "}"},
		{"{\"k\": ", "}"},
		{"count(", ")"},
		{"(", " | {1})"},
		{"{x | x := ", "}"},
		{"[x | some x in ", "]"},
		{"{x: 1 | some x in ", "}"},
		{"object.get(", ", \"a\", 1)"},
		{"not ", ""},
		{"", "[_]"},
		{"", ".a"},
		{"", "[input.a]"},
		{"walk(", ")"},
		{"$\"{", "}\""},
	}
	form := forms[m.IntN(len(forms))]
	start := m.IntN(len(text) + 1)
	for start < len(text) && !isNameByte(text[start]) {
		start++
	}
	end := start
	for end < len(text) && (isNameByte(text[end]) || text[end] == '.') {
		end++
	}
	return text[:start] + form[0] + text[start:end] + form[1] + text[end:]
}

// FuzzLoad loads modules of OPA's conformance suite with changes, one after the
// other into one engine: they are loaded or refused in words. The corpus is the
// number of the case and of the change; a text of the fuzzer's own goes with it.
func FuzzLoad(f *testing.F) {
	found := conformanceCases(f)
	// The fuzzer tries each seed before it goes on, which for all takes minutes;
	// TestConformanceModulesLoad has all of them, and the number reaches them.
	const every = 16
	for i := 0; i < len(found); i += every {
		f.Add(uint(i), uint64(i), found[i].sources[0])
	}
	engines := sync.Pool{New: func() any {
		return NewEngine(Options{LoadTimeout: time.Minute, EvaluationTimeout: time.Second}, &observed{})
	}}
	f.Fuzz(func(t *testing.T, number uint, seed uint64, own string) {
		c := found[number%uint(len(found))]
		sources := slices.Clone(c.sources)
		if own != "" && own != sources[0] && len(own) < 20_000 {
			sources = append(sources, own)
		}
		random := rand.New(rand.NewPCG(seed, uint64(number)))
		if seed != 0 {
			sources = (&mutator{random, found}).mutate(sources)
		}
		as := ""
		if random.IntN(2) == 0 {
			as = []string{"kubernetes.authentication", "kubernetes.authorization", "kubernetes.scheduling"}[random.IntN(3)]
		}
		e := engines.Get().(*Engine)
		defer engines.Put(e)
		if _, err := loadAndAsk(t.Context(), e, underPoints(sources, as)); err != nil {
			t.Errorf("as %q: %v\n%s", as, err, strings.Join(sources, "\n--- and\n"))
		}
	})
}

// TestMutatedModulesLoad is a part of what FuzzLoad tries, the same each time.
func TestMutatedModulesLoad(t *testing.T) {
	found := slices.DeleteFunc(conformanceCases(t), func(c conformanceCase) bool { return strings.HasPrefix(c.name, "v0/") })
	random := rand.New(rand.NewPCG(7, 7))
	m := &mutator{random, found}
	e := NewEngine(Options{LoadTimeout: time.Minute, EvaluationTimeout: time.Second}, &observed{})
	n, most := 0, time.Duration(0)
	for range mutatedLoads {
		sources := m.mutate(found[random.IntN(len(found))].sources)
		as := []string{"", "", "kubernetes.authentication", "kubernetes.authorization", "kubernetes.scheduling"}[random.IntN(5)]
		began := time.Now()
		loaded, err := loadAndAsk(t.Context(), e, underPoints(sources, as))
		if err != nil {
			t.Fatalf("as %q: %v\n%s", as, err, strings.Join(sources, "\n--- and\n"))
		}
		if loaded {
			n++
		}
		most = max(most, time.Since(began))
	}
	t.Logf("%d of %d were loaded; the slowest took %v", n, mutatedLoads, most)
}

const mutatedLoads = 1000
