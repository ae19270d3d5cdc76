package policy

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/yamlfile"
)

// reservedRoots are the names under `data` that data files must not use: rules have
// these names, or the engine sets their values. A value in a data file at the path
// kubernetes.authorization.allow would grant access.
var reservedRoots = map[string]string{
	"kubernetes": "it holds the packages of the extension points",
	"lib":        "it holds Verdict's own library",
	"cluster":    "it holds the resources of the cluster",
	"revoked":    "it holds the list of authentication.revokedFile",
}

// mergeDocuments builds the `data` document. Two files may add keys to one object,
// but only one file may give a key its value.
func mergeDocuments(documents []Document, parsed *parsedDocuments, found *problems) ast.Object {
	defer parsed.forget()
	root := &dataNode{}
	for _, doc := range documents {
		value, err := parsed.decode(doc)
		if err != nil {
			found.file(doc.Path, "%v", err)
			continue
		}
		object, ok := value.(ast.Object)
		if !ok {
			found.file(doc.Path, "a data file holds an object, this one is %s", document.KindOf(value))
			continue
		}
		checkReserved(doc, object, found)
		root.add(doc.Path, doc.Prefix, object, found)
	}
	return root.object()
}

func checkReserved(doc Document, object ast.Object, found *problems) {
	for _, name := range slices.Sorted(maps.Keys(reservedRoots)) {
		if path := []string{name}; (len(doc.Prefix) > 0 && doc.Prefix[0] == name) || (len(doc.Prefix) == 0 && hasPath(object, path)) {
			found.file(doc.Path, "data.%s is reserved: %s; choose another name", name, reservedRoots[name])
		}
	}
}

// gives reports whether doc has a value at path or below it.
func gives(doc Document, parsed *parsedDocuments, path []string) bool {
	for i, name := range doc.Prefix {
		if i == len(path) {
			return true
		}
		if name != path[i] {
			return false
		}
	}
	value, err := parsed.decode(doc)
	object, ok := value.(ast.Object)
	return err == nil && ok && (len(doc.Prefix) >= len(path) || hasPath(object, path[len(doc.Prefix):]))
}

// parsedDocuments are the parsed data files of the last revision.
type parsedDocuments struct {
	lastRead[ast.Value]
	// names are the terms that members with these names share.
	names document.Names
}

func (p *parsedDocuments) decode(doc Document) (ast.Value, error) {
	return p.get(doc.id(), func() (ast.Value, error) { return decodeDocument(doc, p.names) })
}

// id returns a hash of everything that the value of the document depends on.
func (d *Document) id() [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(filepath.Ext(d.Path) + "\x00"))
	h.Write(d.Content)
	return [sha256.Size]byte(h.Sum(nil))
}

func decodeDocument(doc Document, known document.Names) (ast.Value, error) {
	content := doc.Content
	if filepath.Ext(doc.Path) != ".json" {
		var err error
		if err := yamlfile.CheckSingle(content); err != nil {
			return nil, err
		}
		if err := plainYAMLKeys(content); err != nil {
			return nil, err
		}
		if content, err = yaml.YAMLToJSONStrict(content); err != nil {
			return nil, err
		}
	}
	return document.Decode(content, known)
}

// plainYAMLKeys returns an error for a key that YAML does not read as the string in
// the file. The keys 1 and "1" would become one key, and one of their values would be
// lost. The key no, for a user with that name, would become "false".
func plainYAMLKeys(content []byte) error {
	var document yamlv3.Node
	if err := yamlv3.Unmarshal(content, &document); err != nil {
		return err
	}
	pending := []*yamlv3.Node{&document}
	for len(pending) > 0 {
		node := pending[len(pending)-1]
		pending = append(pending[:len(pending)-1], node.Content...)
		if node.Kind != yamlv3.MappingNode {
			continue
		}
		for i := 0; i < len(node.Content); i += 2 {
			key := node.Content[i]
			plain := key.Style&(yamlv3.SingleQuotedStyle|yamlv3.DoubleQuotedStyle) == 0
			if key.Tag == "!!merge" || key.Kind == yamlv3.AliasNode {
				continue
			}
			if key.Tag != "!!str" || plain && slices.Contains(oldBooleans, strings.ToLower(key.Value)) {
				return fmt.Errorf("line %d: YAML does not read the key %s as a string: put it in quotes", key.Line, key.Value)
			}
		}
	}
	return nil
}

// oldBooleans are the words that YAML 1.1 reads as booleans, besides true and false.
var oldBooleans = []string{"y", "n", "yes", "no", "on", "off"}

// dataNode is one value of `data` while it is built from several files: a leaf, which
// is the value of one file, or an object with children.
type dataNode struct {
	origin   string
	leaf     ast.Value
	children map[string]*dataNode
}

func (n *dataNode) add(origin string, prefix []string, object ast.Object, found *problems) {
	depth := 0
	for _, name := range prefix {
		depth++
		if n = n.child(origin, name); !n.open(depth) {
			found.file(origin, "data.%s: %s already gives this a value that is not an object", strings.Join(prefix, "."), n.origin)
			return
		}
	}
	n.merge(origin, prefix, object, found)
}

func (n *dataNode) child(origin, name string) *dataNode {
	if n.children == nil {
		n.children = map[string]*dataNode{}
	}
	c, ok := n.children[name]
	if !ok {
		c = &dataNode{origin: origin}
		n.children[name] = c
	}
	return c
}

func (n *dataNode) merge(origin string, path []string, object ast.Object, found *problems) {
	object.Foreach(func(k, v *ast.Term) {
		name := string(k.Value.(ast.String))
		here := append(append([]string{}, path...), name)
		existing, taken := n.children[name]
		if !taken {
			// The value stays whole until a second file adds to it.
			n.child(origin, name).leaf = v.Value
			return
		}
		child, isObject := v.Value.(ast.Object)
		if !isObject || !existing.open(len(here)) {
			found.file(origin, "data.%s: %s already gives this a value", strings.Join(here, "."), existing.origin)
			return
		}
		existing.merge(origin, here, child, found)
	})
}

// open changes a leaf into an object with children, so that a second file can add to
// it. depth is the depth of the node below `data`. open reports whether the node can
// have children.
func (n *dataNode) open(depth int) bool {
	if n.leaf == nil {
		return true
	}
	object, ok := n.leaf.(ast.Object)
	if !ok || depth >= maxMergeDepth {
		return false
	}
	n.leaf = nil
	n.children = map[string]*dataNode{}
	object.Foreach(func(k, v *ast.Term) { n.child(n.origin, string(k.Value.(ast.String))).leaf = v.Value })
	return true
}

// maxMergeDepth bounds the depth below `data` at which two files may add keys to one
// object. Below it they conflict. Large policy data, such as a hundred thousand
// bindings, is below a few objects near the root, and merging does not visit all of it.
const maxMergeDepth = 4

func (n *dataNode) object() ast.Object {
	pairs := make([][2]*ast.Term, 0, len(n.children))
	for name, c := range n.children {
		value := c.leaf
		if value == nil {
			value = c.object()
		}
		pairs = append(pairs, [2]*ast.Term{ast.StringTerm(name), ast.NewTerm(value)})
	}
	return ast.NewObject(pairs...)
}

func hasPath(data ast.Object, path []string) bool {
	var here ast.Value = data
	for _, name := range path {
		object, ok := here.(ast.Object)
		if !ok {
			return true
		}
		term := object.Get(ast.StringTerm(name))
		if term == nil {
			return false
		}
		here = term.Value
	}
	return true
}
