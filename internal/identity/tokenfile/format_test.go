package tokenfile

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

func TestEntriesRoundTrip(t *testing.T) {
	tests := map[string][]userlist.Entry{
		"none":       nil,
		"the fewest": {userlist.NewEntry("token", "alice")},
		"every field": {{
			SHA256:    identitytest.Zeros,
			Username:  "alice",
			UID:       "1001",
			Groups:    []string{"team-payments", "yes", "1", "null", "~"},
			Extra:     map[string][]string{"example.org/a": {"b", ""}, "1": {"1.5", "2030-01-01T00:00:00Z"}, "none": nil},
			Audiences: []string{"https://kubernetes.default.svc", "*a", "&b"},
			Expires:   time.Date(2030, 12, 31, 23, 59, 59, 0, time.UTC),
		}},
		"odd names": {
			userlist.NewEntry("a", "1001"), userlist.NewEntry("b", "true"), userlist.NewEntry("c", "tokens:"), userlist.NewEntry("d", " - x"),
			userlist.NewEntry("e", "a\nb\n\n c"), userlist.NewEntry("f", "#"), userlist.NewEntry("g", "müller \U0001F600"), userlist.NewEntry("h", `"'\`), userlist.NewEntry("i", "<<"),
		},
		"a hash like a float": {{SHA256: "1e" + identitytest.Zeros[2:], Username: "a"}},
	}
	for name, entries := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := FormatFile(entries...)
			if err != nil {
				t.Fatal(err)
			}
			back, err := ParseTokens("f", text)
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
				piece, err := FormatEntry(entry)
				if err != nil {
					t.Fatal(err)
				}
				pasted.WriteString(piece)
			}
			if back, err := ParseTokens("f", []byte(pasted.String())); err != nil || !reflect.DeepEqual(back, entries) {
				t.Errorf("got %#v, %v\nwant %#v\nby\n%s", back, err, entries, pasted.String())
			}
		})
	}
}

func TestEntryYAML(t *testing.T) {
	entry := userlist.NewEntry("token", "alice")
	entry.Groups = []string{"dev"}
	got, err := FormatEntry(entry)
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
	tests := map[string]func(*userlist.Entry){
		"no username":   func(e *userlist.Entry) { e.Username = "" },
		"no hash":       func(e *userlist.Entry) { e.SHA256 = "" },
		"empty group":   func(e *userlist.Entry) { e.Groups = []string{""} },
		"not UTF-8":     func(e *userlist.Entry) { e.Username = "\xff" },
		"expires early": func(e *userlist.Entry) { e.Expires = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC) },
		"expires late":  func(e *userlist.Entry) { e.Expires = time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			entry := userlist.NewEntry("token", "alice")
			spoil(&entry)
			if text, err := FormatEntry(entry); err == nil {
				t.Errorf("no error, but\n%s", text)
			}
		})
	}
}
