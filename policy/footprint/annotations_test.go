package footprint

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
)

func TestCheckAnnotations(t *testing.T) {
	for _, test := range []struct{ name, metadata, want string }{
		{"right", "custom: {cache: {ttl: 30s}}", ""},
		{"none", "title: x", ""},
		{"other custom fields", "custom: {owner: x}", ""},
		{"not a map", "custom: {cache: 30s}", "custom.cache is not a map"},
		{"empty", "custom: {cache: }", "custom.cache is not a map"},
		{"unknown field", "custom: {cache: {TTL: 30s}}", "custom.cache has no field TTL"},
		{"one field too many", "custom: {cache: {ttl: 30s, for: x}}", "custom.cache has no field for"},
		{"no ttl", "custom: {cache: {}}", "custom.cache.ttl is not a duration"},
		{"number", "custom: {cache: {ttl: 30}}", "custom.cache.ttl is not a duration"},
		{"no unit", `custom: {cache: {ttl: "30"}}`, "custom.cache.ttl is not a duration"},
		{"zero", "custom: {cache: {ttl: 0s}}", "custom.cache.ttl is not a duration"},
		{"negative", "custom: {cache: {ttl: -1s}}", "custom.cache.ttl is not a duration"},
		{"of subpackages", "scope: subpackages\n# custom: {cache: {ttl: 30s}}", "not of scope subpackages"},
	} {
		t.Run(test.name, func(t *testing.T) {
			problems := CheckAnnotations([]*ast.Module{parse(t, "a.rego", "# METADATA\n# "+test.metadata+"\npackage p\nr := 1")})
			if test.want == "" {
				if len(problems) != 0 {
					t.Errorf("problems: %v", problems)
				}
				return
			}
			if len(problems) != 1 || !strings.Contains(problems[0].Message, test.want) || !strings.Contains(problems[0].Message, "write `custom:") || problems[0].Location.Row != 1 {
				t.Errorf("problems %v, want one with %q", problems, test.want)
			}
		})
	}
}
