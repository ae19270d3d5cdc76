package policy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// compile builds a revision from Rego sources, named p0.rego, p1.rego, ….
func compile(tb testing.TB, options Options, sources ...string) *Revision {
	tb.Helper()
	revision, err := Compile(tb.Context(), content(sources...), options)
	if err != nil {
		tb.Fatalf("compiling:\n%v", err)
	}
	return revision
}

func content(sources ...string) Content {
	var out Content
	for i, source := range sources {
		out.Modules = append(out.Modules, Module{Path: "p" + string(rune('0'+i)) + ".rego", Source: []byte(source)})
	}
	return out
}

// refused compiles content and returns the problems that keep it from becoming a revision.
func refused(tb testing.TB, options Options, content Content) []string {
	tb.Helper()
	_, err := Compile(tb.Context(), content, options)
	var load *LoadError
	if !errors.As(err, &load) {
		tb.Fatalf("got error %v (%T), want a *LoadError", err, err)
	}
	out := make([]string, len(load.Problems))
	for i, p := range load.Problems {
		out[i] = p.String()
	}
	return out
}

func object(tb testing.TB, document string) Object {
	tb.Helper()
	o, err := DecodeObject([]byte(document))
	if err != nil {
		tb.Fatalf("decoding %s: %v", document, err)
	}
	return o
}

// contains checks that text has every part.
func contains(tb testing.TB, text string, parts ...string) {
	tb.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			tb.Errorf("got  %s\nwant it to contain %q", text, part)
		}
	}
}

func equal[T comparable](tb testing.TB, what string, got, want []T) {
	tb.Helper()
	if !slices.Equal(got, want) {
		tb.Errorf("%s: got %v, want %v", what, got, want)
	}
}
