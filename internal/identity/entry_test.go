package identity

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// zeros is a hash whose YAML form looks like a number.
var zeros = strings.Repeat("0", 64)

func TestEntriesRoundTrip(t *testing.T) {
	tests := map[string][]Entry{
		"none":       nil,
		"the fewest": {NewEntry("token", "alice")},
		"every field": {{
			SHA256:    zeros,
			Username:  "alice",
			UID:       "1001",
			Groups:    []string{"team-payments", "yes", "1", "null", "~"},
			Extra:     map[string][]string{"example.org/a": {"b", ""}, "1": {"1.5", "2030-01-01T00:00:00Z"}, "none": nil},
			Audiences: []string{"https://kubernetes.default.svc", "*a", "&b"},
			Expires:   time.Date(2030, 12, 31, 23, 59, 59, 0, time.UTC),
		}},
		"odd names": {
			NewEntry("a", "1001"), NewEntry("b", "true"), NewEntry("c", "tokens:"), NewEntry("d", " - x"),
			NewEntry("e", "a\nb\n\n c"), NewEntry("f", "#"), NewEntry("g", "müller \U0001F600"), NewEntry("h", `"'\`), NewEntry("i", "<<"),
		},
		"a hash like a float": {{SHA256: "1e" + zeros[2:], Username: "a"}},
	}
	for name, entries := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := FormatFile(entries...)
			if err != nil {
				t.Fatal(err)
			}
			back, err := parseTokens("f", text)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			if !reflect.DeepEqual(back, entries) {
				t.Errorf("got %#v\nwant %#v\nby\n%s", back, entries, text)
			}
			// The pieces, pasted below one another, are a file as well.
			if len(entries) == 0 {
				return
			}
			var pasted strings.Builder
			pasted.WriteString("tokens:\n")
			for _, entry := range entries {
				piece, err := entry.YAML()
				if err != nil {
					t.Fatal(err)
				}
				pasted.WriteString(piece)
			}
			if back, err := parseTokens("f", []byte(pasted.String())); err != nil || !reflect.DeepEqual(back, entries) {
				t.Errorf("got %#v, %v\nwant %#v\nby\n%s", back, err, entries, pasted.String())
			}
		})
	}
}

func TestEntryYAML(t *testing.T) {
	entry := NewEntry("token", "alice")
	entry.Groups = []string{"dev"}
	got, err := entry.YAML()
	if err != nil {
		t.Fatal(err)
	}
	const want = `  - sha256: 3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0
    username: alice
    groups:
      - dev
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestEntryYAMLRefusesWhatTheFileWould(t *testing.T) {
	tests := map[string]func(*Entry){
		"no username":   func(e *Entry) { e.Username = "" },
		"no hash":       func(e *Entry) { e.SHA256 = "" },
		"empty group":   func(e *Entry) { e.Groups = []string{""} },
		"not UTF-8":     func(e *Entry) { e.Username = "\xff" },
		"expires early": func(e *Entry) { e.Expires = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) },
		"expires late":  func(e *Entry) { e.Expires = time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			entry := NewEntry("token", "alice")
			spoil(&entry)
			if text, err := entry.YAML(); err == nil {
				t.Errorf("no error, but\n%s", text)
			}
		})
	}
}
