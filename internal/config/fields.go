package config

import (
	"reflect"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
)

// fields are those that a mapping may have.
type fields struct {
	names []string // in the order in which messages list them
	value func(index int) reflect.Value
	// unknown is the message for a name that is not among them.
	unknown func() string
}

// structFields are the fields of a struct and those of its field that is inline.
func structFields(structure reflect.Value) fields {
	var names []string
	var values []reflect.Value
	for member, value := range structure.Fields() {
		switch name := fieldName(member); name {
		case "-":
		case ",inline":
			inline := tableFields(value.Interface().(table))
			for i := range inline.names {
				names, values = append(names, inline.names[i]), append(values, inline.value(i))
			}
		default:
			names, values = append(names, name), append(values, value)
		}
	}
	return fields{
		names:   names,
		value:   func(index int) reflect.Value { return values[index] },
		unknown: func() string { return "unknown field: " + knownFields(names) },
	}
}

// fieldName is what a field is called in YAML: its tag, or in a type that package
// policy declares, its name in lower camel case.
func fieldName(field reflect.StructField) string {
	if tag := field.Tag.Get("yaml"); tag != "" {
		return tag
	}
	return strings.ToLower(field.Name[:1]) + field.Name[1:]
}

// table is a value whose fields are not those of a Go struct, but rows of the table
// of points.
type table interface {
	// fieldNames are its fields, in the order in which messages list them.
	fieldNames() []string
	// field is a pointer to the value of a field.
	field(index int) any
	// unknown is the message for a name that is not among them.
	unknown() string
}

func tableFields(t table) fields {
	return fields{
		names:   t.fieldNames(),
		value:   func(index int) reflect.Value { return reflect.ValueOf(t.field(index)).Elem() },
		unknown: t.unknown,
	}
}

// closestField is the field that was probably meant by name, or "".
func closestField(name string, names []string) string {
	best, bestDistance := "", 0
	for _, field := range names {
		if strings.EqualFold(name, field) {
			return field
		}
		// Only names of a similar length can be close, and measuring a very
		// long one is slow.
		limit := 1 + len(field)/4
		if len(name) > len(field)+limit {
			continue
		}
		distance := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(field))
		if distance <= limit && (best == "" || distance < bestDistance) {
			best, bestDistance = field, distance
		}
	}
	return best
}

func knownFields(names []string) string {
	if len(names) == 1 {
		return "the only field here is " + names[0]
	}
	return "the fields here are " + strings.Join(names, ", ")
}

// ownFields is a struct whose fields in the file are not those of the Go type.
type ownFields interface{ fields() fields }

// durations is a struct for which one duration may be written.
type durations interface{ SetDuration(duration time.Duration) }
