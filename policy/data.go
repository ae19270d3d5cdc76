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

// reservedRoots are the names under `data` that hold rules or belong to the
// engine. A datum called kubernetes.authorization.allow would grant access.
var reservedRoots = map[string]string{
	"kubernetes": "the packages of the extension points live there",
	"lib":        "Verdict's own library lives there",
	"cluster":    "the engine puts the cluster there",
	"revoked":    "what authentication.revokedFile lists is put there",
}

// mergeDocuments builds the `data` document. Two files may fill one object,
// never one key.
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

// gives reports whether doc fills the object or value at path, or below it.
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

// parsedDocuments are those of the last revision.
type parsedDocuments struct {
	lastRead[ast.Value]
	// names are what members are called by where they have these names.
	names document.Names
}

func (p *parsedDocuments) decode(doc Document) (ast.Value, error) {
	return p.get(doc.id(), func() (ast.Value, error) { return decodeDocument(doc, p.names) })
}

// id hashes what the document is decoded from.
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

// plainYAMLKeys refuses keys that YAML reads as something else than the name
// that is written: 1 and "1" would become one name of which one value is
// dropped, and a user called no would become "false".
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

// oldBooleans are the words that YAML 1.1 reads as true or false, beyond
// those two.
var oldBooleans = []string{"y", "n", "yes", "no", "on", "off"}

// dataNode is an object being put together from several files; a leaf keeps
// the value as it came.
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
			// Kept as it came: what only one file fills is never taken apart.
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

// open makes the node ready to take in a second file, at this depth of `data`,
// and reports whether it can.
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

// maxMergeDepth bounds how deep files are taken apart to be merged: policy data
// with a hundred thousand bindings is a few large objects near the root, and
// two files that meet deeper than this conflict.
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
