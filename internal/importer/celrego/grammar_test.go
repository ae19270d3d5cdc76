package celrego

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
)

// grammar makes random expressions and claims that fit together now and then.
type grammar struct {
	*rand.Rand
	vars  []string
	depth int
}

func (g *grammar) pick(texts ...string) string { return texts[g.IntN(len(texts))] }

func (g *grammar) expression() string {
	g.vars, g.depth = nil, 3
	return g.pickOne(g.boolean, g.boolean, g.text, g.list, g.dynamic, g.integer)
}

func (g *grammar) pickOne(of ...func() string) string { return of[g.IntN(len(of))]() }

// deeper runs make unless the expression is deep already.
func (g *grammar) deeper(shallow func() string, deep ...func() string) string {
	if g.depth <= 0 || g.IntN(6) == 0 {
		return shallow()
	}
	g.depth--
	defer func() { g.depth++ }()
	return g.pickOne(deep...)
}

// dynamic is something of the claims, of whatever type.
func (g *grammar) dynamic() string {
	return g.deeper(func() string {
		if len(g.vars) > 0 && g.IntN(2) == 0 {
			return g.vars[g.IntN(len(g.vars))]
		}
		return "claims." + g.name()
	},
		func() string { return "claims." + g.name() + "." + g.name() },
		func() string {
			return "claims." + g.name() + "[" + g.pick("0", "1", `"a"`, `"k__dot__d"`, "claims.n", "dyn(1.0)") + "]"
		},
		func() string { return "claims." + g.name() + "[0]." + g.name() },
		func() string {
			return "claims[" + g.pick(`"a"`, `"k__dot__d"`, `"k.d"`, "claims.s", "string(claims.s)") + "]"
		},
		func() string { return g.condition() + " ? " + g.dynamic() + " : " + g.dynamic() },
		func() string {
			return g.optional() + ".orValue(" + g.pickOne(g.dynamic, g.text, g.integer, g.list, g.boolean) + ")"
		},
		func() string { return g.optional() + ".value()" },
		func() string { return "dyn(" + g.pickOne(g.text, g.boolean, g.list, g.dynamic) + ")" },
		func() string { return g.dynamic() + " + " + g.pickOne(g.dynamic, g.text, g.integer) },
		func() string { return g.dynamic() + g.pick(" - ", " * ", " / ") + g.dynamic() },
		func() string { return "{" + `"a": ` + g.dynamic() + `, "x": ` + g.dynamic() + "}." + g.pick("a", "x") },
		func() string { return "double(" + g.pickOne(g.dynamic, g.integer) + ")" },
	)
}

func (g *grammar) name() string {
	return g.pick("a", "b", "s", "n", "l", "m", "x", "k__dot__d", "missing", "t", "ns", "ms", "k__foo__d")
}

func (g *grammar) optional() string {
	switch g.IntN(9) {
	case 0:
		return "claims." + g.name() + ".?" + g.name()
	case 1:
		return "claims.?" + g.name() + "." + g.name()
	case 2:
		return "claims." + g.name() + "[?" + g.pick("0", `"a"`, `"k__dot__d"`, "-1", "claims.n", "claims.s") + "]"
	case 3:
		return "claims.?" + g.name() + "[" + g.pick("0", `"a"`) + "]"
	case 4:
		return "optional.of(" + g.dynamic() + ")"
	case 5:
		return "optional.ofNonZeroValue(" + g.dynamic() + ")"
	case 6:
		name := g.bind()
		defer g.unbind()
		return "claims.?" + g.name() + ".optMap(" + name + ", " + g.dynamic() + ")"
	case 7:
		return "claims.?" + g.name() + ".or(claims.?" + g.name() + ")"
	}
	return "claims.?" + g.name()
}

func (g *grammar) bind() string {
	name := fmt.Sprintf("v%d", len(g.vars))
	if g.IntN(8) == 0 && len(g.vars) > 0 {
		name = g.vars[0] // hides another
	}
	g.vars = append(g.vars, name)
	return name
}

func (g *grammar) unbind() { g.vars = g.vars[:len(g.vars)-1] }

func (g *grammar) condition() string {
	return g.pickOne(g.boolean, func() string { return "claims.t" })
}

func (g *grammar) boolean() string {
	operator := func(o ...string) string { return " " + g.pick(o...) + " " }
	return g.deeper(func() string {
		return g.pick("true", "false", "has(claims."+g.name()+")", `claims.s == "abc"`, "claims.n == 1")
	},
		func() string { return "(" + g.condition() + operator("&&", "||") + g.condition() + ")" },
		func() string { return "(" + g.condition() + operator("&&", "||") + g.condition() + ")" },
		func() string { return "!(" + g.boolean() + ")" },
		func() string {
			return "(" + g.dynamic() + operator("==", "!=") + g.pickOne(g.dynamic, g.text, g.integer, g.list, func() string { return "null" }) + ")"
		},
		func() string {
			return "(" + g.dynamic() + operator("<", "<=", ">", ">=") + g.pickOne(g.dynamic, g.text, g.integer) + ")"
		},
		func() string {
			return "(" + g.integer() + operator("<", "<=", ">", ">=", "==", "!=") + g.integer() + ")"
		},
		func() string { return "(" + g.text() + operator("<", "<=", "==", "!=") + g.text() + ")" },
		func() string { return "(" + g.pickOne(g.dynamic, g.text) + " in " + g.pickOne(g.dynamic, g.list) + ")" },
		func() string { return "(" + g.text() + " in claims)" },
		func() string { return "has(claims." + g.name() + "." + g.name() + ")" },
		func() string {
			return g.textual() + "." + g.pick("startsWith", "endsWith", "contains") + "(" + g.textual() + ")"
		},
		func() string { return g.textual() + ".matches(" + g.pick(`"^a"`, `"b+$"`, `"[a-z]{2}"`) + ")" },
		func() string { return "(" + g.boolean() + " ? " + g.boolean() + " : " + g.boolean() + ")" },
		func() string { return g.macro(g.pick("all", "exists", "exists_one"), g.condition) },
		func() string { return g.macro(g.pick("all", "exists", "exists_one"), g.condition) },
		func() string { return g.twoVariables(g.pick("all", "exists", "existsOne"), g.condition) },
		func() string { return g.optional() + ".hasValue()" },
		func() string {
			return "(type(" + g.dynamic() + operator(") ==", ") !=") + g.pick("string", "double", "list", "map", "bool", "null_type", "int") + ")"
		},
		func() string { return "bool(" + g.dynamic() + ")" },
		func() string {
			return g.pick("sets.contains", "sets.intersects", "sets.equivalent") + "(" + g.list() + ", " + g.list() + ")"
		},
	)
}

func (g *grammar) macro(name string, body func() string) string {
	over := g.pickOne(g.list, func() string { return "dyn(" + g.dynamic() + ")" })
	variable := g.bind()
	defer g.unbind()
	return over + "." + name + "(" + variable + ", " + body() + ")"
}

func (g *grammar) twoVariables(name string, body func() string) string {
	over := g.pickOne(g.list, func() string { return "dyn(claims." + g.name() + ")" })
	first := g.bind()
	defer g.unbind()
	second := g.bind()
	defer g.unbind()
	return over + "." + name + "(" + first + ", " + second + ", " + body() + ")"
}

// textual may be text when it is evaluated.
func (g *grammar) textual() string {
	return g.pickOne(g.text, func() string { return "string(" + g.dynamic() + ")" })
}

func (g *grammar) text() string {
	return g.deeper(func() string { return g.pick(`"abc"`, `"a"`, `""`, `"b,c"`, `"ÄÖ"`, `"x__dot__y"`) },
		func() string { return "(" + g.text() + " + " + g.pickOne(g.dynamic, g.text) + ")" },
		func() string { return "string(" + g.pickOne(g.dynamic, g.integer, g.boolean) + ")" },
		func() string { return "(" + g.boolean() + " ? " + g.text() + " : " + g.text() + ")" },
		func() string { return g.textual() + "." + g.pick("lowerAscii", "upperAscii", "trim") + "()" },
		func() string { return g.textual() + ".replace(" + g.text() + ", " + g.text() + ")" },
		func() string {
			return g.textual() + `.replace(` + g.pick(`"a"`, `","`) + `, ` + g.text() + ", " + g.pick("0", "1", "2", "-1") + ")"
		},
		func() string { return g.textual() + ".substring(" + g.pick("0", "1", "2", "-1", "9") + ")" },
		func() string {
			return g.textual() + ".substring(" + g.pick("0", "1", "2") + ", " + g.pick("1", "2", "3") + ")"
		},
		func() string { return g.textual() + ".charAt(" + g.pick("0", "1", "3", "-1") + ")" },
		func() string { return g.list() + ".join(" + g.pick("", `","`) + ")" },
	)
}

func (g *grammar) integer() string {
	return g.deeper(func() string { return g.pick("0", "1", "2", "-3", "7", "9223372036854775807", "86400") },
		func() string {
			return "(" + g.integer() + g.pick(" + ", " - ", " * ", " / ", " % ") + g.integer() + ")"
		},
		func() string { return "size(" + g.pickOne(g.dynamic, g.list, g.text) + ")" },
		func() string { return "int(" + g.pickOne(g.dynamic, g.text) + ")" },
		func() string { return "-" + g.integer() },
		func() string { return g.textual() + "." + g.pick("indexOf", "lastIndexOf") + "(" + g.textual() + ")" },
		func() string {
			return g.textual() + "." + g.pick("indexOf", "lastIndexOf") + "(" + g.text() + ", " + g.pick("0", "1", "5", "-1") + ")"
		},
	)
}

func (g *grammar) list() string {
	return g.deeper(func() string { return g.pick(`["a", "b"]`, `["a"]`, "[1, 2, 1]", "[dyn(claims.s)]") },
		func() string { return "[" + g.dynamic() + ", " + g.dynamic() + "]" },
		func() string { return "[" + g.text() + ", " + g.text() + "]" },
		func() string { return "(" + g.list() + " + " + g.list() + ")" },
		func() string { return g.macro("map", g.pickAny) },
		func() string { return g.macro("filter", g.condition) },
		func() string {
			return g.macro("map", func() string { return g.condition() + ", " + g.pickAny() })
		},
		func() string { return g.twoVariables("transformList", g.pickAny) },
		func() string { return g.textual() + ".split(" + g.pick(`","`, `""`, `"b"`) + ")" },
		func() string { return g.textual() + `.split(",", ` + g.pick("0", "1", "2", "-1") + ")" },
		func() string { return g.list() + "." + g.pick("distinct", "reverse", "sort") + "()" },
		func() string { return g.list() + ".slice(" + g.pick("0", "1") + ", " + g.pick("1", "2", "3") + ")" },
		func() string { return g.list() + ".flatten()" },
		func() string { return "[" + g.list() + ".sort().first().orValue(" + g.pickAny() + ")]" },
		func() string { return "lists.range(" + g.pick("0", "3", "-1") + ")" },
		func() string { return g.macro("sortBy", g.pickAny) },
	)
}

func (g *grammar) pickAny() string { return g.pickOne(g.dynamic, g.text, g.boolean, g.integer) }

// claims are an object of JSON with the names that expressions ask for.
func (g *grammar) claims() map[string]any {
	out := map[string]any{}
	for range 4 + g.IntN(9) {
		out[g.pick("a", "b", "s", "n", "l", "m", "x", "k.d", "t", "ns", "ms")] = g.json(3)
	}
	often := map[string]func() any{
		"s":  func() any { return g.pick("abc", "a", "", "b,c", "a__dot__b", "7", "ÄÖ", "true") },
		"n":  func() any { return []any{0.0, 1.0, 2.0, -3.0, 1.5, 86400.0, 1700000000.0, 12345678.0}[g.IntN(8)] },
		"t":  func() any { return g.IntN(2) == 0 },
		"l":  func() any { return []any{g.json(1), g.json(1), "a"} },
		"ns": func() any { return []any{"a", "b", "abc", ""}[:g.IntN(5)] },
		"ms": func() any {
			return []any{map[string]any{"a": g.json(1), "k.d": "x"}, map[string]any{"s": "b", "b": 2.0}}
		},
		"m": func() any { return map[string]any{"a": g.json(1), "k.d": g.json(1), "s": "abc", "t": true} },
	}
	// In one order, so that a seed gives the same claims again.
	for _, name := range slices.Sorted(maps.Keys(often)) {
		if g.IntN(5) > 0 {
			out[name] = often[name]()
		}
	}
	return out
}

func (g *grammar) json(depth int) any {
	switch n := g.IntN(9); {
	case n == 0:
		return nil
	case n == 1:
		return g.IntN(2) == 0
	case n == 2:
		return float64(g.IntN(5) - 1)
	case n == 3 && depth > 0:
		var out []any
		for range g.IntN(4) {
			out = append(out, g.json(depth-1))
		}
		if out == nil {
			out = []any{}
		}
		return out
	case n == 4 && depth > 0:
		out := map[string]any{}
		for range g.IntN(4) {
			out[g.pick("a", "b", "s", "k.d", "k__foo__d", "x", "t")] = g.json(depth - 1)
		}
		return out
	}
	return g.pick("abc", "a", "b", "", "x,y", "7")
}
