package config

import (
	"reflect"

	"github.com/verdict-dev/verdict/internal/identity/kinds"
	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// IdentitySource verifies tokens.
type IdentitySource struct {
	// Name is what policies, metrics and logs call the source.
	Name string
	// Kind is the name of one of kinds.All, and Config is what the file says
	// in the field of that name.
	Kind   string
	Config sources.Config

	// sections are the fields of the kinds while the file is read, one for each.
	sections []kindSection
}

// kindSection is the field of a kind, which the file may leave out.
type kindSection struct {
	kind   sources.Kind
	config sources.Config // nil unless it was given
}

// fields implements ownFields: the name, and a field for each kind.
func (s *IdentitySource) fields() fields {
	names := []string{"name"}
	s.sections = nil
	for _, kind := range kinds.All() {
		names = append(names, kind.Name)
		s.sections = append(s.sections, kindSection{kind: kind})
	}
	return fields{
		names: names,
		value: func(index int) reflect.Value {
			if index == 0 {
				return reflect.ValueOf(&s.Name).Elem()
			}
			return reflect.ValueOf(&s.sections[index-1]).Elem()
		},
		unknown: func() string { return "unknown field: " + knownFields(names) },
	}
}

// fields implements ownFields: those of a new configuration of the kind.
func (k *kindSection) fields() fields {
	k.config = k.kind.Config()
	return structFields(reflect.ValueOf(k.config).Elem())
}
