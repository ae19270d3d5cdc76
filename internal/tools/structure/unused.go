package structure

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// Unused returns the exported functions, types, variables, constants and methods
// that the packages of loaded declare and that nothing outside their package uses,
// each with where it is declared. Beside a use by name these count as one:
//   - a type stands in the signature or the fields of an exported name,
//   - a constant is of an exported type of its package, whose values it lists,
//   - a method is one that an interface asks for,
//   - it is an error, or a type of errors: callers find those behind an error.
//
// A package's own external tests (package x_test) are no use: what only they need
// belongs into a file export_test.go. Fields are left out, since they may be read by
// reflection.
func Unused(loaded []*packages.Package) []string {
	u := usage{names: map[string]bool{}, methods: map[string]bool{}}
	for _, p := range loaded {
		u.take(p)
	}
	for _, p := range loaded {
		for _, object := range exported(p.Types) {
			if _, isConst := object.(*types.Const); !isConst || u.names[qualified(object)] {
				u.mention(object)
			}
		}
	}
	var unused []string
	for _, p := range loaded {
		if p.Name == "main" || strings.HasSuffix(p.PkgPath, "_test") {
			continue
		}
		for _, object := range exported(p.Types) {
			at := p.Fset.Position(object.Pos())
			if !u.has(object) && !strings.HasSuffix(at.Filename, "_test.go") {
				unused = append(unused, fmt.Sprintf("%s: %s", at, object.Name()))
			}
		}
	}
	slices.Sort(unused)
	return slices.Compact(unused)
}

// usage is what a set of packages uses.
type usage struct {
	// names are the names that other packages use, as qualified writes them.
	names map[string]bool
	// methods are the methods that interfaces ask for, by name.
	methods map[string]bool
}

func (u *usage) take(p *packages.Package) {
	for _, object := range p.TypesInfo.Uses {
		if object.Pkg() != nil && declaredOutside(object) && object.Pkg().Path() != strings.TrimSuffix(p.PkgPath, "_test") {
			u.names[qualified(object)] = true
		}
	}
	for _, value := range p.TypesInfo.Types {
		u.methodsOf(value.Type)
	}
	u.standardInterfaces(p.Types)
}

// mention notes the types that an exported name shows.
func (u *usage) mention(object types.Object) {
	shown := object.Type()
	if _, ok := object.(*types.TypeName); ok {
		shown = shown.Underlying()
	}
	seen := map[types.Type]bool{}
	for next := []types.Type{shown}; len(next) > 0; {
		t := next[len(next)-1]
		next = next[:len(next)-1]
		if seen[t] {
			continue
		}
		seen[t] = true
		if named, ok := t.(interface{ Obj() *types.TypeName }); ok {
			u.names[qualified(named.Obj())] = true
		}
		next = append(next, parts(t)...)
	}
}

// parts are the types that t is made of. Those below a named type belong to that.
func parts(t types.Type) (all []types.Type) {
	switch t := t.(type) {
	case *types.Named:
		all = slices.Collect(t.TypeArgs().Types())
	case *types.Signature:
		for _, tuple := range []*types.Tuple{t.Params(), t.Results()} {
			for v := range tuple.Variables() {
				all = append(all, v.Type())
			}
		}
	case *types.Struct:
		for field := range t.Fields() {
			if field.Exported() {
				all = append(all, field.Type())
			}
		}
	case *types.Interface:
		for method := range t.Methods() {
			all = append(all, method.Type())
		}
	case *types.Map:
		all = append(all, t.Key(), t.Elem())
	case interface{ Elem() types.Type }: // pointers, slices, arrays and channels
		all = append(all, t.Elem())
	}
	return all
}

// methodsOf notes the methods that t asks for, if it is an interface.
func (u *usage) methodsOf(t types.Type) {
	if t == nil {
		return
	}
	asked, ok := t.Underlying().(*types.Interface)
	if !ok {
		return
	}
	for method := range asked.Methods() {
		u.methods[method.Name()] = true
	}
}

// standardInterfaces notes those that the packages which p imports declare:
// fmt.Stringer is used without being named.
func (u *usage) standardInterfaces(p *types.Package) {
	for _, imported := range p.Imports() {
		for _, name := range imported.Scope().Names() {
			if declared, ok := imported.Scope().Lookup(name).(*types.TypeName); ok {
				u.methodsOf(declared.Type())
			}
		}
	}
}

func (u *usage) has(object types.Object) bool {
	if u.names[qualified(object)] {
		return true
	}
	switch object := object.(type) {
	case *types.Func:
		return object.Signature().Recv() != nil && u.methods[object.Name()]
	case *types.Var, *types.TypeName:
		failure := types.Universe.Lookup("error").Type().Underlying().(*types.Interface)
		return types.Implements(object.Type(), failure) || types.Implements(types.NewPointer(object.Type()), failure)
	case *types.Const:
		of, ok := object.Type().(*types.Named)
		return ok && of.Obj().Pkg() == object.Pkg()
	}
	return false
}

// qualified names object among all packages: path.Name, or path.Type.Method.
func qualified(object types.Object) string {
	if object.Pkg() == nil {
		return object.Name() // of the language
	}
	path := strings.TrimSuffix(object.Pkg().Path(), "_test")
	if f, ok := object.(*types.Func); ok {
		return path + " " + f.Origin().FullName()
	}
	return path + " " + object.Name()
}

// exported returns the exported names of a package, with the methods of its types.
func exported(p *types.Package) []types.Object {
	var all []types.Object
	for _, name := range p.Scope().Names() {
		object := p.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		all = append(all, object)
		named, ok := object.Type().(*types.Named)
		if _, isType := object.(*types.TypeName); !isType || !ok {
			continue
		}
		for method := range named.Methods() {
			if method.Exported() {
				all = append(all, method)
			}
		}
	}
	return all
}
