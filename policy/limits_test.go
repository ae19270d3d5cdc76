package policy

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// repeated is n texts, one after the other.
func repeated(n int, text func(i int) string) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(text(i))
	}
	return out.String()
}

// nestings are policies that lie n deep within themselves, in every way in which
// Rego allows it.
var nestings = map[string]func(n int) string{
	"arrays":      func(n int) string { return "x := " + strings.Repeat("[", n) + "input.a" + strings.Repeat("]", n) },
	"sets":        func(n int) string { return "x := " + strings.Repeat("{", n) + "1" + strings.Repeat("}", n) },
	"objects":     func(n int) string { return "x := " + strings.Repeat("{1:", n) + "1" + strings.Repeat("}", n) },
	"keys":        func(n int) string { return "x := " + strings.Repeat("{", n) + "1" + strings.Repeat(":1}", n) },
	"parentheses": func(n int) string { return "x := " + strings.Repeat("(1+", n) + "input.a" + strings.Repeat(")", n) },
	"calls":       func(n int) string { return "x := " + strings.Repeat("abs(", n) + "input.a" + strings.Repeat(")", n) },
	"references":  func(n int) string { return "x := " + strings.Repeat("input[", n) + "1" + strings.Repeat("]", n) },
	"operators":   func(n int) string { return "x := input.a" + strings.Repeat("+1", n) },
	"unions":      func(n int) string { return "x := {1}" + strings.Repeat("|{1}", n) },
	"comprehensions": func(n int) string {
		return "x := " + strings.Repeat("[y | y := ", n) + "input.a" + strings.Repeat("]", n)
	},
	"every": func(n int) string {
		return "x if " + strings.Repeat("every y in input.a { y; ", n) + "y" + strings.Repeat(" }", n)
	},
	"heads":     func(n int) string { return "x contains " + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) },
	"arguments": func(n int) string { return "x(" + strings.Repeat("[", n) + "y" + strings.Repeat("]", n) + ") := y" },
	"with": func(n int) string {
		return "x if input.a with input as " + strings.Repeat("[", n) + strings.Repeat("]", n)
	},
	"templates": func(n int) string {
		return "x := $\"{" + strings.Repeat("[", n) + "1" + strings.Repeat("]", n) + "}\""
	},
	"else":           func(n int) string { return "x := 1 if input.a" + strings.Repeat(" else := 1 if input.b", n) },
	"long reference": func(n int) string { return "x := input" + strings.Repeat(".a", n) },
	"long head":      func(n int) string { return "x" + strings.Repeat(".a", n) + " := 1" },
	"rules": func(n int) string {
		return repeated(n, func(i int) string { return fmt.Sprintf("x%d := x%d\n", i, i+1) }) + fmt.Sprintf("x%d := input.a", n)
	},
	"functions": func(n int) string {
		return repeated(n, func(i int) string { return fmt.Sprintf("f%d(y) := f%d(y)\n", i, i+1) }) + fmt.Sprintf("f%d(y) := y", n)
	},
	"rules with else": func(n int) string {
		return repeated(n, func(i int) string { return fmt.Sprintf("x%d := 1 if input.a else := x%d\n", i, i+1) }) + fmt.Sprintf("x%d := input.a", n)
	},
	"a circle": func(n int) string {
		return repeated(n, func(i int) string { return fmt.Sprintf("x%d := x%d\n", i, (i+1)%n) })
	},
}

// TestNesting loads what is deep in every way: it becomes a revision or is refused
// in words, soon.
func TestNesting(t *testing.T) {
	for name, write := range nestings {
		for _, n := range []int{3, 400, 4_000, 40_000} {
			t.Run(fmt.Sprintf("%s, %d", name, n), func(t *testing.T) {
				_, err := Compile(t.Context(), content(authz+write(n)+"\n"), Options{LoadTimeout: time.Minute})
				if n == 3 && err != nil && name != "a circle" {
					t.Error(err)
				}
				var failed *LoadError
				if err != nil && (!errors.As(err, &failed) || failed.Stack != nil || strings.Contains(err.Error(), "policy.loadTimeout")) {
					t.Errorf("got %.500v, want it loaded or refused for what it is", err)
				}
			})
		}
	}
}

func TestLimitsAreSaid(t *testing.T) {
	sizes := map[string]int{"comprehensions": 50, "keys": 18, "arrays": 2_000, "long reference": 2_000, "rules": 1_200, "rules with else": 1_200}
	for name, want := range map[string]string{
		"comprehensions":  "limit: comprehensions, every and not are nested more than 10 deep",
		"keys":            "p0.rego:3:1: limit: a key of an object is more than 8 deep",
		"arrays":          "p0.rego: brackets are nested 2000 deep",
		"long reference":  "p0.rego:3:1: limit: a reference has 2001 elements, at most 500 are allowed",
		"rules":           "a chain of more than 1000 rules, each of which refers to the next",
		"rules with else": "a chain of more than 1000 rules, each of which refers to the next",
	} {
		t.Run(name, func(t *testing.T) {
			contains(t, strings.Join(refused(t, Options{}, content(authz+nestings[name](sizes[name]))), "\n"), want)
		})
	}
	t.Run("else", func(t *testing.T) {
		contains(t, strings.Join(refused(t, Options{}, content(authz+nestings["else"](maxElse+1))), "\n"), "20001 else branches, at most 20000 are allowed: look the value up in an object")
	})
	t.Run("size", func(t *testing.T) {
		c := content(authz+`allow contains "a"`, authz+"x := ["+strings.Repeat("1,", maxTokens/2)+"1]")
		equal(t, "problems", refused(t, Options{}, c), []string{"p1.rego: the policies up to this file have more than 1000000 names, numbers and signs: put tables into data files, or load fewer policies"})
	})
}

func TestCountTokens(t *testing.T) {
	for source, want := range map[string]int{
		"":                                 0,
		"package a.b\n":                    4,
		"# a comment, and no more\n":       0,
		`x := "a # \" b" # c`:              4, // x, two signs, the string
		"x := `a # b`":                     4,
		`"an end of the line` + "\nx":      2,
		"a_b1 if { input.x > 12 }":         9,
		"\"a\\":                            1,
		"été == 1":                         4,
		`x contains $"{input.a} and more"`: 11,
	} {
		if got, _ := countTokens([]byte(source), 1000); got != want {
			t.Errorf("%q has %d tokens, want %d", source, got, want)
		}
	}
	if got, _ := countTokens([]byte(strings.Repeat("a ", 100)), 10); got != 11 {
		t.Errorf("counted %d, want to stop after 11", got)
	}
}

func TestBracketsAreCounted(t *testing.T) {
	for source, want := range map[string]int{
		"x := 1":                     0,
		"x := f([1, {2: (3)}], (4))": 4,
		`x := "((((" # [[[[`:         0,
		"x := `((((`":                0,
		"}}}} [[":                    2,
	} {
		if _, got := countTokens([]byte(source), 1000); got != want {
			t.Errorf("%q has brackets %d deep, want %d", source, got, want)
		}
	}
}

// TestMistakesWithoutEnd: OPA's parser has an error for each open bracket, each
// with the text of the line.
func TestMistakesWithoutEnd(t *testing.T) {
	for name, source := range map[string]string{
		"open brackets":      "package a\nx := " + strings.Repeat("(1+", 300_000),
		"closed brackets":    "package a\nx := " + strings.Repeat("[", 40_000) + strings.Repeat("]", 40_000),
		"as deep as allowed": "package a\nx := " + strings.Repeat("(1+", maxNesting-10),
		"open quotes":        "package a\n" + strings.Repeat("x := \"\n", 50_000),
		"unknown names":      "package a\n" + strings.Repeat("x if unknown\n", 5_000),
		"signs":              "package a\n" + strings.Repeat("= ) ", 50_000),
	} {
		t.Run(name, func(t *testing.T) {
			err := NewEngine(Options{}, &observed{}).Load(t.Context(), content(source))
			var failed *LoadError
			if !errors.As(err, &failed) || failed.Stack != nil {
				t.Fatalf("got %.500v, want it refused in words", err)
			}
			if text := err.Error(); len(failed.Problems) > maxProblems+1 || len(text) > 200*(maxLine+1000) {
				t.Errorf("%d problems in %d bytes", len(failed.Problems), len(text))
			}
		})
	}
}
