package structure

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestLayers(t *testing.T) {
	of := func(pairs ...string) (all []Reference) {
		for _, pair := range pairs {
			from, to, _ := strings.Cut(pair, " ")
			all = append(all, Reference{from, to})
		}
		return all
	}
	tests := map[string]struct {
		references []Reference
		backwards  int
	}{
		"nothing":              {nil, 0},
		"one line":             {of("a b", "b c", "a c"), 0},
		"two refer to another": {of("a b", "b a"), 1},
		"circle of three":      {of("a b", "b c", "c a"), 1},
		"two circles":          {of("a b", "b c", "c a", "c d", "d e", "e c"), 2},
		"circle with a tail":   {of("m a", "a b", "b a", "b z"), 1},
		"all refer to all":     {of("a b", "a c", "b a", "b c", "c a", "c b"), 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order, backwards := Layers(test.references)
			if len(backwards) != test.backwards {
				t.Errorf("%v run backwards in the order %v, want %d", backwards, order, test.backwards)
			}
		})
	}
}

// newModule writes files into a new module and returns its folder.
func newModule(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files["go.mod"] = "module example.com/m\n\ngo 1.26\n"
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReferences(t *testing.T) {
	dir := newModule(t, map[string]string{
		"a/one.go":   "package a\n\nfunc one(s shape) int { same := two(s); return same + s.size + s.area() }\n",
		"a/two.go":   "package a\n\nfunc two(s shape) int { one := s; return one.size }\n",
		"a/shape.go": "package a\n\ntype shape struct{ size int }\n",
		"a/area.go":  "package a\n\nfunc (s shape) area() int { return s.size }\n\nvar _ = one\n",
	})
	loaded, err := Load(dir, false, "./a")
	if err != nil {
		t.Fatal(err)
	}
	want := []Reference{
		{"area.go", "one.go"},
		{"area.go", "shape.go"},
		{"one.go", "area.go"},
		{"one.go", "shape.go"},
		{"one.go", "two.go"},
		{"two.go", "shape.go"},
	}
	if got := References(loaded[0]); !slices.Equal(got, want) {
		t.Errorf("references %v, want %v", got, want)
	}
}

func TestUnused(t *testing.T) {
	dir := newModule(t, map[string]string{
		"a/a.go": `package a

import "errors"

type Shown struct{ Part Part; hidden Hidden }
type Part struct{}
type Hidden struct{}
type Unit int

const Metre Unit = 1
const Alone = 2

var ErrAway = errors.New("away")

type Mistake struct{}

func (*Mistake) Error() string { return "" }
func (Part) String() string    { return "" }
func (Part) Area() int         { return 0 }
func Make() Shown              { return Shown{} }
func OnlyHere() int            { return Part{}.Area() }
func OnlyTested() int          { return OnlyHere() }
func TestedElsewhere()         {}
`,
		"a/a_test.go": "package a_test\n\nimport \"example.com/m/a\"\n\nvar _ = a.OnlyTested()\n",
		"b/b.go":      "package b\n\nimport (\n\t\"fmt\"\n\n\t\"example.com/m/a\"\n)\n\nfunc show() { fmt.Println(a.Make()) }\n\nvar _ = show\n",
		"b/b_test.go": "package b\n\nimport \"example.com/m/a\"\n\nfunc init() { a.TestedElsewhere() }\n",
	})
	loaded, err := Load(dir, true, "./...")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range Unused(loaded) {
		_, name, _ := strings.Cut(line, ": ")
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{"Alone", "Area", "Hidden", "OnlyHere", "OnlyTested", "Unit"}
	if !slices.Equal(got, want) {
		t.Errorf("unused: %v, want %v", got, want)
	}
}
