package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

// schema returns a JSON schema that refers to nothing outside itself: what it
// refers to is put into it, where the policy may read that. So OPA, which would
// open any file, has nothing to load. It is the operand itself where that refers
// to nothing else.
func (o *outside) schema(operand *ast.Term) (*ast.Term, error) {
	// What is made of it is known by an array, which is no schema: OPA's own
	// functions keep other things by a value itself.
	key := ast.NewArray(ast.StringTerm("schema"), operand)
	known := o.context.InterQueryBuiltinValueCache
	if known != nil {
		if kept, ok := known.Get(key); ok {
			if made, ok := kept.(*ast.Term); ok {
				return made, nil
			}
		}
	}
	made := operand
	if document, ok := schemaDocument(operand.Value); ok && refersOutside(document) {
		b := bundle{outside: o, ids: map[string]bool{}, alias: map[string]string{}, parts: map[string]any{}}
		text, err := b.make(document)
		if err != nil {
			return nil, err
		}
		made = ast.StringTerm(string(text))
	}
	if known != nil {
		known.Insert(key, made)
	}
	return made, nil
}

// closed is the context of the call, for OPA's own function: it fetches nothing.
func (o *outside) closed() topdown.BuiltinContext {
	bctx, capabilities := o.context, ast.Capabilities{}
	if bctx.Capabilities != nil {
		capabilities = *bctx.Capabilities
	}
	capabilities.AllowNet = []string{}
	bctx.Capabilities = &capabilities
	return bctx
}

// schemaDocument is a schema, given as an object or as text; false where OPA
// refuses it in any case.
func schemaDocument(value ast.Value) (any, bool) {
	switch v := value.(type) {
	case ast.String:
		return decodeJSON([]byte(v))
	case ast.Object, *ast.Array:
		document, err := ast.JSON(v)
		if err != nil {
			return nil, false
		}
		// As OPA, which makes text of it: a set becomes a list, for one.
		text, err := json.Marshal(document)
		if err != nil {
			return nil, false
		}
		return decodeJSON(text)
	}
	return nil, false
}

func decodeJSON(text []byte) (document any, ok bool) {
	if !json.Valid(text) {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	return document, decoder.Decode(&document) == nil
}

// The members of a schema that hold URLs: references, and what these are
// relative to.
const (
	refKey   = "$ref"
	oldIDKey = "id"
	newIDKey = "$id"
)

// refersOutside says whether anything in the document that could be a reference,
// or what one is relative to, is a whole URL.
func refersOutside(document any) bool {
	switch v := document.(type) {
	case []any:
		return slices.ContainsFunc(v, refersOutside)
	case map[string]any:
		for key, value := range v {
			if text, ok := value.(string); ok && (key == refKey || key == oldIDKey || key == newIDKey) {
				if address, err := url.Parse(text); err != nil || address.Scheme != "" || address.Host != "" {
					return true
				}
			}
			if refersOutside(value) {
				return true
			}
		}
	}
	return false
}

// mostParts bounds the documents that one schema refers to.
const mostParts = 64

// bundle puts a schema and the documents that it refers to together. References
// are resolved as OPA's library does (gojsonschema), which finds a part by its
// id.
type bundle struct {
	*outside
	ids   map[string]bool   // what is in a part, by its URL
	alias map[string]string // URLs of parts by other names of them
	parts map[string]any    // by URL
	refs  []string          // that are not looked up yet
}

// partsKey is where the parts are in a schema: no keyword.
const partsKey = "x-verdict-parts"

func (b *bundle) make(document any) ([]byte, error) {
	b.resolve(document, &url.URL{})
	for len(b.refs) > 0 {
		ref := b.refs[0]
		b.refs = b.refs[1:]
		if err := b.find(ref); err != nil {
			return nil, err
		}
	}
	b.rename(document)
	root, ok := document.(map[string]any)
	if ok && len(b.parts) > 0 {
		var parts []any
		for _, address := range slices.Sorted(maps.Keys(b.parts)) {
			b.rename(b.parts[address])
			if part, ok := b.parts[address].(map[string]any); ok {
				delete(part, oldIDKey)
				part[newIDKey] = address
			}
			parts = append(parts, b.parts[address])
		}
		root[partsKey] = parts
	}
	return json.Marshal(document)
}

// find makes sure that what ref refers to is in the schema.
func (b *bundle) find(ref string) error {
	if b.ids[ref] {
		return nil
	}
	address, err := url.Parse(ref)
	if err != nil {
		return fmt.Errorf("the reference %s is no URL", shown(ref))
	}
	address.Fragment, address.RawFragment = "", ""
	target := address.String()
	_, named := b.alias[target]
	switch {
	case target == "", b.ids[target], named:
		return nil
	case address.Scheme != "file" && address.Host == "":
		return nil // OPA says that it is not canonical
	case address.Scheme == "http" && slices.Contains(metaschemas, target):
		return nil // OPA has them
	case len(b.parts) >= mostParts:
		return b.refuse("use schemas that refer to more than %d documents", mostParts)
	}
	part, err := b.load(address)
	if err != nil {
		return err
	}
	name := target
	if address.Scheme == "file" {
		name = fileURL(target)
		b.alias[target] = name
	}
	if object, ok := part.(map[string]any); ok {
		if own := identified(object, address); own != "" && own != target {
			b.alias[own] = name
		}
	}
	b.ids[target] = true
	b.parts[name] = part
	b.resolve(part, address)
	return nil
}

// fileURL takes the place of the URL of a file, which OPA would open.
func fileURL(address string) string { return "http://file.invalid/" + url.PathEscape(address) }

var metaschemas = []string{
	"http://json-schema.org/draft-04/schema", "http://json-schema.org/draft-06/schema", "http://json-schema.org/draft-07/schema",
}

// load reads a document that policies may read.
func (b *bundle) load(address *url.URL) (any, error) {
	if address.Scheme == "file" {
		if address.Host != "" {
			return nil, b.refuse("read files of the host %s", shown(address.Host))
		}
		content, err := b.file(address.Path)
		if err != nil {
			return nil, err
		}
		document, ok := decodeJSON(content)
		if !ok {
			return nil, fmt.Errorf("the file %s is not JSON", shown(address.Path))
		}
		return document, nil
	}
	var document any
	request := ast.ObjectTerm(
		ast.Item(ast.StringTerm("method"), ast.StringTerm("GET")),
		ast.Item(ast.StringTerm("url"), ast.StringTerm(address.String())),
		ast.Item(ast.StringTerm("enable_redirect"), ast.BooleanTerm(true)),
		ast.Item(ast.StringTerm("force_json_decode"), ast.BooleanTerm(true)),
	)
	err := guardedSend(b.outside, topdown.GetBuiltin(ast.HTTPSend.Name), []*ast.Term{request}, func(response *ast.Term) error {
		if status := response.Get(ast.StringTerm("status_code")); status == nil || status.Value.Compare(ast.Number("200")) != 0 {
			return fmt.Errorf("%s answered %v", shown(address.String()), status)
		}
		body := response.Get(ast.StringTerm("body"))
		if body == nil {
			return fmt.Errorf("%s is not JSON", shown(address.String()))
		}
		document, _ = schemaDocument(body.Value)
		return nil
	})
	return document, err
}

// identified is the URL that an object in a document says it has, "" for none.
func identified(object map[string]any, base *url.URL) string {
	key := newIDKey
	if _, old := object[oldIDKey]; old {
		key = oldIDKey
	}
	text, ok := object[key].(string)
	if !ok {
		return ""
	}
	id, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return resolved(base, id).String()
}

func resolved(base, reference *url.URL) *url.URL {
	from := *base
	from.Fragment, from.RawFragment = "", ""
	return from.ResolveReference(reference)
}

// resolve makes references and ids whole URLs, and records both.
func (b *bundle) resolve(document any, base *url.URL) {
	switch v := document.(type) {
	case []any:
		for _, item := range v {
			b.resolve(item, base)
		}
	case map[string]any:
		if id := identified(v, base); id != "" {
			if inner, err := url.Parse(id); err == nil {
				base = inner
			}
			b.ids[id] = true
			key := newIDKey
			if _, old := v[oldIDKey]; old {
				key = oldIDKey
			}
			v[key] = id
		}
		if text, ok := v[refKey].(string); ok {
			if reference, err := url.Parse(text); err == nil {
				v[refKey] = resolved(base, reference).String()
				b.refs = append(b.refs, v[refKey].(string))
			}
		}
		for _, value := range v {
			b.resolve(value, base)
		}
	}
}

// rename gives references and ids the names of the parts.
func (b *bundle) rename(document any) {
	switch v := document.(type) {
	case []any:
		for _, item := range v {
			b.rename(item)
		}
	case map[string]any:
		for key, value := range v {
			if text, ok := value.(string); ok && (key == refKey || key == oldIDKey || key == newIDKey) {
				target, fragment, has := strings.Cut(text, "#")
				if name, ok := b.alias[target]; ok {
					target = name
				} else if strings.HasPrefix(strings.ToLower(target), "file:") {
					target = fileURL(target) // what is in the schema itself
				}
				if v[key] = target; has {
					v[key] = target + "#" + fragment
				}
				continue
			}
			b.rename(value)
		}
	}
}
