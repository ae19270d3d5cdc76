package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder fills a Configuration from YAML nodes. Unlike the decoder of the YAML
// library it goes on after a mistake. Its depth is that of the Go types, however
// deep the document is.
type decoder struct {
	*problems
}

// decode sets value, which holds the default, from a node. Of the types that
// Configuration uses, time.Duration is a duration and int64 a size in bytes.
func (d *decoder) decode(path string, node *yaml.Node, value reflect.Value) {
	if _, known := d.lines[path]; !known {
		d.lines[path] = node.Line
	}
	if node.Kind == yaml.AliasNode {
		d.reject(path, "YAML aliases (*%s) are not supported: write the value out", node.Value)
		return
	}
	if isNull(node) {
		return
	}
	if rows, ok := reflect.TypeAssert[table](value); ok {
		d.decodeFields(path, node, tableFields(rows))
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		d.decodeStruct(path, node, value)
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		setDefaults(value)
		d.decode(path, node, value.Elem())
	case reflect.Slice:
		d.decodeList(path, node, value)
	case reflect.Map:
		d.decodeMap(path, node, value)
	default:
		d.decodeScalar(path, node, value)
	}
}

// setDefaults sets the defaults of a new value, if its type has a method for it.
func setDefaults(pointer reflect.Value) {
	if value, ok := reflect.TypeAssert[interface{ SetDefaults() }](pointer); ok {
		value.SetDefaults()
	}
}

// reject reports a value that could not be decoded.
func (d *decoder) reject(path, format string, args ...any) {
	d.undecoded[path] = true
	d.add(path, format, args...)
}

func (d *decoder) decodeStruct(path string, node *yaml.Node, value reflect.Value) {
	if short, ok := reflect.TypeAssert[durations](value.Addr()); ok && node.Kind == yaml.ScalarNode {
		duration, err := parseDuration(node)
		if err != nil {
			d.reject(path, "%s", err)
			return
		}
		short.SetDuration(duration)
		return
	}
	if own, ok := reflect.TypeAssert[ownFields](value.Addr()); ok {
		d.decodeFields(path, node, own.fields())
		return
	}
	d.decodeFields(path, node, structFields(value))
}

// decodeFields decodes the fields of a mapping.
func (d *decoder) decodeFields(path string, node *yaml.Node, fields fields) {
	if node.Kind != yaml.MappingNode {
		d.reject(path, "expected fields (name: value), found %s", describe(node))
		return
	}
	seen := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			d.addAt(key.Line, path, "expected the name of a field, found %s: %s", describe(key), knownFields(fields.names))
			continue
		}
		field := join(path, key.Value)
		if line, twice := seen[key.Value]; twice {
			d.addAt(key.Line, field, "already given in line %d: keep one of them", line)
			continue
		}
		seen[key.Value] = key.Line
		index := slices.Index(fields.names, key.Value)
		if index < 0 {
			meant := closestField(key.Value, fields.names)
			if meant == "" {
				d.addAt(key.Line, field, "%s", fields.unknown())
				continue
			}
			d.addAt(key.Line, field, "unknown field: did you mean %q?", meant)
			if _, given := seen[meant]; !given {
				// A check that finds it missing would report the same mistake again.
				d.undecoded[join(path, meant)] = true
			}
			continue
		}
		delete(d.undecoded, field)
		d.lines[field] = key.Line
		d.decode(field, node.Content[i+1], fields.value(index))
	}
}

func (d *decoder) decodeList(path string, node *yaml.Node, value reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		d.reject(path, "expected a list, found %s: write each item on a line of its own after \"- \"", describe(node))
		return
	}
	value.SetZero()
	for i, item := range node.Content {
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		d.lines[itemPath] = item.Line
		element := reflect.New(value.Type().Elem())
		setDefaults(element)
		element = element.Elem()
		if isNull(item) {
			d.reject(itemPath, "the item is empty: write a value after \"-\", or remove it")
		} else {
			d.decode(itemPath, item, element)
		}
		// An item with a mistake is kept, so that later items keep their index.
		value.Set(reflect.Append(value, element))
	}
}

// decodeMap decodes a map from strings to scalars.
func (d *decoder) decodeMap(path string, node *yaml.Node, value reflect.Value) {
	if node.Kind != yaml.MappingNode {
		d.reject(path, "expected names with values (name: value), found %s", describe(node))
		return
	}
	made := reflect.MakeMap(value.Type())
	seen := make(map[string]int, len(node.Content)/2)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, item := node.Content[i], node.Content[i+1]
		name, err := parseString(key)
		if err != nil {
			d.addAt(key.Line, path, "%s", err)
			continue
		}
		itemPath := join(path, name)
		if line, twice := seen[name]; twice {
			d.addAt(key.Line, itemPath, "already given in line %d: keep one of them", line)
			continue
		}
		seen[name] = key.Line
		d.lines[itemPath] = key.Line
		element := reflect.New(value.Type().Elem()).Elem()
		d.decode(itemPath, item, element)
		made.SetMapIndex(reflect.ValueOf(name), element)
	}
	value.Set(made)
}

func (d *decoder) decodeScalar(path string, node *yaml.Node, value reflect.Value) {
	if err := setScalar(node, value); err != nil {
		d.reject(path, "%s", err)
	}
}

func setScalar(node *yaml.Node, value reflect.Value) error {
	if value.Type() == reflect.TypeFor[time.Duration]() {
		duration, err := parseDuration(node)
		if err != nil {
			return err
		}
		value.SetInt(int64(duration))
		return nil
	}
	switch value.Kind() {
	case reflect.Int64:
		size, err := parseBytes(node)
		if err != nil {
			return err
		}
		value.SetInt(size)
	case reflect.Int:
		number, err := parseInt(node)
		if err != nil {
			return err
		}
		value.SetInt(int64(number))
	case reflect.Bool:
		truth, err := parseBool(node)
		if err != nil {
			return err
		}
		value.SetBool(truth)
	case reflect.String:
		text, err := parseString(node)
		if err != nil {
			return err
		}
		value.SetString(text)
	default:
		panic(fmt.Sprintf("config: the decoder does not know %s", value.Type()))
	}
	return nil
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// join appends a field's name to a path; a name that would make the path
// unreadable is quoted.
func join(path, name string) string {
	if !plainName.MatchString(name) {
		return path + "[" + quote(name) + "]"
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

func isNull(node *yaml.Node) bool {
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

// describe describes a node, for messages.
func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "fields (name: value)"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "a YAML alias"
	}
	switch node.ShortTag() {
	case "!!str":
		return "the text " + quote(node.Value)
	case "!!int", "!!float":
		return "the number " + shorten(node.Value)
	case "!!bool":
		return shorten(node.Value)
	case "!!null":
		return "nothing"
	case "!!merge":
		return "a YAML merge key (<<)"
	default:
		return quote(node.Value) + " tagged " + shorten(node.ShortTag())
	}
}

func quote(text string) string {
	return fmt.Sprintf("%q", shorten(text))
}

// shorten keeps one message to a readable length.
func shorten(text string) string {
	const limit = 64
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit]) + "…"
	}
	return text
}
