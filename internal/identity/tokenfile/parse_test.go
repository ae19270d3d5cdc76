package tokenfile

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

func TestParseTokens(t *testing.T) {
	tests := map[string]struct {
		text string
		want []userlist.Entry
	}{
		"none": {text: "tokens: []"},
		"JSON": {
			text: `{"tokens":[{"sha256":"` + identitytest.HashA + `","username":"a"}]}`,
			want: []userlist.Entry{{SHA256: identitytest.HashA, Username: "a"}},
		},
		"upper case, digits alone, and an exponent": {
			text: "tokens:\n- {sha256: " + strings.ToUpper(identitytest.HashA) + ", username: a}\n- {sha256: " + identitytest.Zeros + ", username: b}\n- {sha256: 1e" + identitytest.Zeros[2:] + ", username: c}\n",
			want: []userlist.Entry{{SHA256: identitytest.HashA, Username: "a"}, {SHA256: identitytest.Zeros, Username: "b"}, {SHA256: "1e" + identitytest.Zeros[2:], Username: "c"}},
		},
		"every field": {
			text: `# users
---
tokens:
- sha256: ` + identitytest.HashA + `
  username: system:admin # the engine's to refuse
  uid: "7"
  groups: [a, "1"]
  extra:
    x: [y, ""]
    z: []
  audiences: [api]
  expires: 2030-01-02T03:04:05+01:00
`,
			want: []userlist.Entry{{
				SHA256: identitytest.HashA, Username: "system:admin", UID: "7", Groups: []string{"a", "1"},
				Extra: map[string][]string{"x": {"y", ""}, "z": nil}, Audiences: []string{"api"},
				Expires: time.Date(2030, 1, 2, 2, 4, 5, 0, time.UTC),
			}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseTokens("f.yaml", []byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if !got[i].Expires.IsZero() {
					got[i].Expires = got[i].Expires.UTC()
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestParseTokensErrors(t *testing.T) {
	entry := func(fields string) string {
		return "tokens:\n- sha256: " + identitytest.HashA + "\n  username: a\n  " + fields + "\n"
	}
	tests := map[string]struct {
		text string
		want []string // one a line of the error: it holds the part
	}{
		"empty":                 {"", []string{"f.yaml: is empty"}},
		"a comment alone":       {"# users\n", []string{"f.yaml: is empty"}},
		"not YAML":              {"tokens:\n- [", []string{"f.yaml: line 2"}},
		"a tab":                 {"tokens:\n\t- a", []string{"f.yaml: line 2"}},
		"not UTF-8":             {"tokens: [\xff]", []string{"f.yaml: "}},
		"null":                  {"null", []string{"f.yaml:1:1: must be a mapping of fields, not null"}},
		"a list":                {"- a", []string{"f.yaml:1:1: must be a mapping of fields, not a list"}},
		"no tokens":             {"{}", []string{"f.yaml:1:1: tokens: is missing"}},
		"tokens null":           {"tokens:", []string{"f.yaml:1:8: tokens: must be a list, not null"}},
		"tokens a mapping":      {"tokens: {}", []string{"tokens: must be a list, not a mapping"}},
		"two documents":         {"tokens: []\n---\ntokens: []\n", []string{"is a second YAML document"}},
		"a bad second document": {"tokens: []\n---\n[", []string{"f.yaml: line"}},
		"unknown at the top":    {"tokens: []\nkind: X", []string{`f.yaml:2:1: unknown field "kind"`}},
		"entry a string":        {"tokens: [abc]", []string{"f.yaml:1:10: tokens[0]: must be a mapping of fields, not a string"}},
		"entry empty":           {"tokens: [{}]", []string{"tokens[0].sha256: is missing", "tokens[0].username: is missing"}},
		"short hash":            {"tokens: [{sha256: abc, username: a}]", []string{"tokens[0].sha256: must be the SHA-256"}},
		"hash not hexadecimal":  {"tokens: [{sha256: " + strings.Repeat("g", 64) + ", username: a}]", []string{"tokens[0].sha256: must be the SHA-256"}},
		"hash null":             {"tokens: [{sha256: , username: a}]", []string{"tokens[0].sha256: must be the SHA-256"}},
		"hash a list":           {"tokens: [{sha256: [], username: a}]", []string{"tokens[0].sha256: must be the SHA-256"}},
		"username empty":        {"tokens: [{sha256: " + identitytest.HashA + `, username: ""}]`, []string{"tokens[0].username: must not be empty"}},
		"username a number":     {"tokens: [{sha256: " + identitytest.HashA + ", username: 12}]", []string{"tokens[0].username: must be a string, not a number: put it in quotes"}},
		"username null":         {"tokens: [{sha256: " + identitytest.HashA + ", username: ~}]", []string{"tokens[0].username: must be a string, not null"}},
		"uid a number":          {entry("uid: 1001"), []string{"f.yaml:4:8: tokens[0].uid: must be a string, not a number: put it in quotes"}},
		"uid a boolean":         {entry("uid: true"), []string{"must be a string, not a boolean"}},
		"uid a time":            {entry("uid: 2030-01-01"), []string{"must be a string, not a time"}},
		"uid of another type":   {entry("uid: !!binary aGk="), []string{"must be a string, not a value of another type"}},
		"groups a string":       {entry("groups: a"), []string{"tokens[0].groups: must be a list, not a string"}},
		"an empty group":        {entry(`groups: [a, ""]`), []string{"tokens[0].groups[1]: must not be empty"}},
		"extra a list":          {entry("extra: [a]"), []string{"tokens[0].extra: must be a mapping of fields, not a list"}},
		"extra of strings":      {entry("extra: {a: b}"), []string{`tokens[0].extra["a"]: must be a list, not a string`}},
		"extra of numbers":      {entry("extra: {a: [1]}"), []string{`tokens[0].extra["a"][0]: must be a string, not a number`}},
		"extra without a key":   {entry(`extra: {"": []}`), []string{"tokens[0].extra: has an empty key"}},
		"extra key a number":    {entry("extra: {1: []}"), []string{"tokens[0].extra: has a field whose name is not a string"}},
		"audiences null":        {entry("audiences:"), []string{"tokens[0].audiences: must be a list, not null"}},
		"audiences empty":       {entry("audiences: []"), []string{"tokens[0].audiences: is empty"}},
		"expires null":          {entry("expires:"), []string{"tokens[0].expires: must be a time"}},
		"expires a date":        {entry("expires: 2030-01-01"), []string{"tokens[0].expires: must be a time"}},
		"expires the zero time": {entry("expires: 0001-01-01T00:00:00Z"), []string{"tokens[0].expires: must be a time after 1970"}},
		"an alias":              {entry("groups: &g [a]\n  audiences: *g"), []string{"tokens[0].audiences: must be a list, not an alias"}},
		"a merge key":           {entry("<<: {uid: a}"), []string{`tokens[0]: unknown field "<<"`}},
		"a field twice":         {entry("username: b"), []string{`tokens[0]: field "username" is given twice, first on line 3`}},
		"one token twice": {
			"tokens:\n- {sha256: " + identitytest.HashA + ", username: a}\n- {sha256: " + strings.ToUpper(identitytest.HashA) + ", username: b}\n",
			[]string{"f.yaml:3:3: tokens[1].sha256: is the token of tokens[0] (line 2)"},
		},
		"every mistake": {
			"tokens:\n- {sha256: x, username: a, color: red}\n- {sha256: " + identitytest.HashB + "}\nkind: X\n",
			[]string{"tokens[0].sha256", `tokens[0]: unknown field "color"`, "tokens[1].username: is missing", `unknown field "kind"`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			entries, err := ParseTokens("f.yaml", []byte(test.text))
			if err == nil {
				t.Fatalf("no error; read %+v", entries)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(test.want) {
				t.Fatalf("got\n%v\nwant %d mistakes", err, len(test.want))
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, "f.yaml:") || !strings.Contains(line, test.want[i]) {
					t.Errorf("got %q, want %q", line, test.want[i])
				}
			}
		})
	}
}

func TestParseTokensListsSoManyMistakes(t *testing.T) {
	_, err := ParseTokens("f.yaml", []byte("tokens: ["+strings.Repeat("a,", 50)+"]"))
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 21 || lines[20] != "f.yaml: and 30 more mistakes" {
		t.Errorf("got %d lines, the last %q; want 20 mistakes and that there are 30 more", len(lines), lines[len(lines)-1])
	}
}

func TestParseTokensKeepsSecretsToItself(t *testing.T) {
	token, err := sources.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{
		"as the hash":   "tokens: [{sha256: %s, username: a}]",
		"as a field":    "tokens: [{%s: a}]",
		"twice a field": "tokens: [{%[1]s: a, %[1]s: b}]",
		"in extra":      "tokens: [{extra: {%s: a}}]",
		"as an entry":   "tokens: [%s]",
		"as the file":   "%s",
		"unfinished":    "tokens: [{sha256: \"%s",
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			_, err := ParseTokens("f.yaml", fmt.Appendf(nil, text, token))
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), token) {
				t.Errorf("the error shows the token: %v", strings.ReplaceAll(err.Error(), token, "<token>"))
			}
		})
	}
}

func FuzzParseTokens(f *testing.F) {
	for _, seed := range []string{
		"", "tokens: []", "tokens:\n- {sha256: " + identitytest.HashA + ", username: a}", "tokens: [{}]", "- *a", "&a [*a]", "? [a]\n: b",
		"tokens:\n- sha256: " + identitytest.HashA + "\n  username: a\n  uid: \"1\"\n  groups: [b]\n  extra: {c: [d]}\n  audiences: [e]\n  expires: 2030-01-01T00:00:00Z\n",
		"%YAML 1.1\n---\ntokens: !!seq []", "tokens: |\n  a\n---\n", "\xef\xbb\xbftokens: []", "tokens: [{sha256: !!int 1}]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, err := ParseTokens("f.yaml", text)
		if err != nil {
			if entries != nil {
				t.Error("entries beside an error")
			}
			return
		}
		seen := map[string]bool{}
		for _, entry := range entries {
			if len(entry.SHA256) != 64 || entry.Username == "" || seen[entry.SHA256] {
				t.Fatalf("accepted %+v", entry)
			}
			seen[entry.SHA256] = true
		}
		// What is accepted can be written, and reads the same.
		written, err := FormatFile(entries...)
		if err != nil {
			t.Fatalf("cannot write %+v: %v", entries, err)
		}
		again, err := ParseTokens("f.yaml", written)
		if err != nil || len(again) != len(entries) {
			t.Fatalf("wrote\n%s\nand read %+v, %v", written, again, err)
		}
		for i := range entries {
			a, b := entries[i], again[i]
			if !a.Expires.Equal(b.Expires) {
				t.Fatalf("wrote %v, read %v", a.Expires, b.Expires)
			}
			a.Expires, b.Expires = time.Time{}, time.Time{}
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Fatalf("wrote %+v, read %+v", a, b)
			}
		}
	})
}
