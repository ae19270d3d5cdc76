package policy

import (
	"crypto/sha256"
	"fmt"

	"github.com/open-policy-agent/opa/v1/ast"
)

// modulesID hashes modules with their paths, which errors and warnings name.
func modulesID(modules []Module) [sha256.Size]byte {
	h := sha256.New()
	for _, m := range modules {
		id := m.id()
		h.Write(id[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func (m *Module) id() [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d:%s", len(m.Path), m.Path)
	h.Write(m.Source)
	return [sha256.Size]byte(h.Sum(nil))
}

// parsedModules are those of the last revision. The compiler copies them before
// it changes anything.
type parsedModules struct{ lastRead[*ast.Module] }

func (p *parsedModules) parse(l *load, modules []Module, capabilities *ast.Capabilities, into map[string]*ast.Module, found *problems) []*ast.Module {
	var out []*ast.Module
	defer func() { l.file = "" }()
	for _, m := range modules {
		if l.ctx.Err() != nil {
			return out
		}
		l.file = m.Path
		if _, twice := into[m.Path]; twice {
			found.file(m.Path, "delivered twice: name each policy folder once")
			continue
		}
		module, err := p.get(m.id(), func() (*ast.Module, error) {
			return parseModule(&m, capabilities)
		})
		switch {
		case err != nil:
			found.opa(m.Path, err)
		case module == nil || module.Package == nil:
			found.file(m.Path, "the file is empty: it needs a package")
		default:
			into[m.Path] = module
			out = append(out, module)
		}
	}
	return out
}

func parseModule(m *Module, capabilities *ast.Capabilities) (*ast.Module, error) {
	module, err := ast.ParseModuleWithOpts(m.Path, string(m.Source), ast.ParserOptions{
		RegoVersion:       ast.RegoV1,
		ProcessAnnotation: true,
		Capabilities:      capabilities,
	})
	if err != nil || module == nil {
		return module, err
	}
	return module, checkNesting(module)
}
