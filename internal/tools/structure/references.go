// Package structure measures how the files of a Go package refer to each other,
// and which exported names nothing outside their package uses.
package structure

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/types"
	"maps"
	"path/filepath"
	"slices"

	"golang.org/x/tools/go/packages"
)

// Load returns the packages that patterns name, as in go list, with types. dir is
// a folder in their module. Tests are left out, unless they are asked for.
func Load(dir string, tests bool, patterns ...string) ([]*packages.Package, error) {
	const needs = packages.NeedName | packages.NeedFiles | packages.NeedSyntax | packages.NeedTypes |
		packages.NeedTypesInfo | packages.NeedImports | packages.NeedExportFile
	loaded, err := packages.Load(&packages.Config{Mode: needs, Dir: dir, Tests: tests}, patterns...)
	if err != nil {
		return nil, err
	}
	for _, p := range loaded {
		for _, problem := range p.Errors {
			return nil, fmt.Errorf("%s: %w", p.PkgPath, problem)
		}
	}
	return loaded, nil
}

// Reference says that the file From uses a name that the file To declares. Both
// are base names.
type Reference struct{ From, To string }

// References returns the references between the files of p, each pair of files
// once.
func References(p *packages.Package) []Reference {
	found := map[Reference]bool{}
	for _, file := range p.Syntax {
		from := filepath.Base(p.Fset.Position(file.Package).Filename)
		ast.Inspect(file, func(n ast.Node) bool {
			name, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			used := p.TypesInfo.Uses[name]
			if used == nil || used.Pkg() != p.Types || !declaredOutside(used) {
				return true
			}
			to := filepath.Base(p.Fset.Position(used.Pos()).Filename)
			if to != from {
				found[Reference{from, to}] = true
			}
			return true
		})
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Reference) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To))
	})
}

// declaredOutside reports whether object is declared outside functions: a
// package's own name, a field or a method.
func declaredOutside(object types.Object) bool {
	if object.Parent() == object.Pkg().Scope() {
		return true
	}
	switch object := object.(type) {
	case *types.Var:
		return object.IsField()
	case *types.Func:
		return object.Signature().Recv() != nil
	}
	return false
}

// Layers orders the files of references such that few references run backwards,
// from a file to one before it, and returns those that do. The order with the
// fewest is hard to find (it is the minimum feedback arc set): this one is the
// greedy order of Eades, Lin and Smyth (1993), improved by moving one file at a
// time until no move helps. The same references give the same order.
func Layers(references []Reference) (order []string, backwards []Reference) {
	order = improve(greedy(references), references)
	for _, r := range references {
		if slices.Index(order, r.From) > slices.Index(order, r.To) {
			backwards = append(backwards, r)
		}
	}
	return order, backwards
}

// greedy takes files that no file left refers to for the front, files that refer
// to none left for the back, and where there are neither, the one that refers to
// most files more than refer to it.
func greedy(references []Reference) []string {
	left := map[string]bool{}
	for _, r := range references {
		left[r.From], left[r.To] = true, true
	}
	var front, back []string
	for len(left) > 0 {
		out, in := map[string]int{}, map[string]int{}
		for _, r := range references {
			if left[r.From] && left[r.To] {
				out[r.From]++
				in[r.To]++
			}
		}
		names := slices.Sorted(maps.Keys(left))
		best := slices.MaxFunc(names, func(a, b string) int { return cmp.Compare(out[a]-in[a], out[b]-in[b]) })
		for _, name := range names {
			if out[name] == 0 || in[name] == 0 {
				best = name
				break
			}
		}
		if out[best] == 0 {
			back = append(back, best)
		} else {
			front = append(front, best)
		}
		delete(left, best)
	}
	slices.Reverse(back)
	return append(front, back...)
}

func improve(order []string, references []Reference) []string {
	for moved := true; moved; {
		moved = false
		for _, name := range slices.Sorted(slices.Values(order)) {
			from := slices.Index(order, name)
			if to := bestPlace(order, from, references); to != from {
				order = slices.Insert(slices.Delete(order, from, from+1), to, name)
				moved = true
			}
		}
	}
	return order
}

// bestPlace returns the index to which the file at index from should move, from
// itself where no other has fewer references that run backwards.
func bestPlace(order []string, from int, references []Reference) int {
	position := make(map[string]int, len(order))
	for i, name := range order {
		position[name] = i
	}
	// saved[i] is by how much the references that run backwards become fewer when
	// the file changes places with the one at i.
	saved := make([]int, len(order))
	for _, r := range references {
		switch order[from] {
		case r.From:
			saved[position[r.To]] += sign(position[r.To] < from)
		case r.To:
			saved[position[r.From]] -= sign(position[r.From] < from)
		}
	}
	best, most := from, 0
	for direction := -1; direction <= 1; direction += 2 {
		sum := 0
		for i := from + direction; i >= 0 && i < len(order); i += direction {
			if sum += saved[i]; sum > most {
				best, most = i, sum
			}
		}
	}
	return best
}

func sign(positive bool) int {
	if positive {
		return 1
	}
	return -1
}
