package tokenfile

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
	"github.com/verdict-dev/verdict/policy/identity"
)

func entryOf(token, username, uid string, groups ...string) userlist.Entry {
	entry := userlist.NewEntry(token, username)
	entry.UID, entry.Groups = uid, groups
	return entry
}

func TestParseTokensCSV(t *testing.T) {
	tests := map[string]struct {
		text string
		want []userlist.Entry
	}{
		"three columns":             {"t,alice,7\n", []userlist.Entry{entryOf("t", "alice", "7")}},
		"no uid":                    {"t,alice,\n", []userlist.Entry{entryOf("t", "alice", "")}},
		"no line end":               {"t,alice,7", []userlist.Entry{entryOf("t", "alice", "7")}},
		"groups":                    {"t,alice,7,\"dev,ops\"\n", []userlist.Entry{entryOf("t", "alice", "7", "dev", "ops")}},
		"one group without quotes":  {"t,alice,7,dev\n", []userlist.Entry{entryOf("t", "alice", "7", "dev")}},
		"an empty column of groups": {"t,alice,7,\nu,bob,8,\"\"\n", []userlist.Entry{entryOf("t", "alice", "7"), entryOf("u", "bob", "8")}},
		"empty lines":               {"\n\nt,alice,7\r\n\r\nu,bob,8\n", []userlist.Entry{entryOf("t", "alice", "7"), entryOf("u", "bob", "8")}},
		"quotes everywhere":         {`"t""x","a, b","7","d ev,o""ps"`, []userlist.Entry{entryOf(`t"x`, "a, b", "7", "d ev", `o"ps`)}},
		"a line end in a name":      {"t,\"a\r\nb\",7", []userlist.Entry{entryOf("t", "a\nb", "7")}},
		"system names":              {"t,system:admin,7,system:masters", []userlist.Entry{entryOf("t", "system:admin", "7", "system:masters")}},
		"letters of the world":      {"тöken,Zoë,7,équipe", []userlist.Entry{entryOf("тöken", "Zoë", "7", "équipe")}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, warnings, err := parseTokensCSV("f.csv", []byte(test.text))
			identitytest.Must(t, err)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
			if warnings != nil {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
}

func TestParseTokensCSVWarnings(t *testing.T) {
	tests := map[string]struct {
		text    string
		entries int
		want    string
	}{
		"nothing":                {"", 0, "token file f.csv has no tokens"},
		"empty lines":            {"\n\n", 0, "token file f.csv has no tokens"},
		"groups in many columns": {"t,alice,7\nu,bob,8,dev,ops\nv,carol,9,a,b\n", 3, "token file f.csv has more than four columns in 2 records, the first in line 2, of which the rest is ignored: several groups are one column, in quotes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			entries, warnings, err := parseTokensCSV("f.csv", []byte(test.text))
			identitytest.Must(t, err)
			if len(entries) != test.entries || len(warnings) != 1 || warnings[0] != test.want {
				t.Errorf("%d entries and %q; want %d and %q", len(entries), warnings, test.entries, test.want)
			}
		})
	}
}

func TestParseTokensCSVErrors(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"one column":              {"vdt_secret", []string{"f.csv:1:1: has 1 columns, not at least 3"}},
		"two columns":             {"vdt_secret,alice\n", []string{"f.csv:1:1: has 2 columns, not at least 3"}},
		"a comment":               {"# alice\nvdt_secret,a,1\n", []string{"f.csv:1:1: has 1 columns"}},
		"a comment with commas":   {"# token, user, uid\n", []string{"f.csv:1:1: token: has white space", "f.csv:1:9: username: has white space around", "f.csv:1:15: uid: has white space around"}},
		"an empty token":          {"vdt_secret,a,1\n,bob,2\n", []string{"f.csv:2:1: token: must not be empty"}},
		"two empty tokens":        {",a,1\n,b,2\n", []string{"f.csv:1:1: token: must not be empty", "f.csv:2:1: token: must not be empty"}},
		"a space after commas":    {"vdt_secret, alice,7", []string{"f.csv:1:12: username: has white space around"}},
		"a space before a token":  {" vdt_secret,alice,7", []string{"f.csv:1:1: token: has white space"}},
		"a line end in a token":   {"\"vdt_\nsecret\",alice,7", []string{"f.csv:1:1: token: has white space"}},
		"a NUL in a token":        {"vdt_\x00secret,alice,7", []string{"f.csv:1:1: token: has white space or control"}},
		"no username":             {"vdt_secret,,7", []string{"f.csv:1:12: username: must not be empty"}},
		"an empty group":          {"vdt_secret,a,7,\"dev,,ops\"", []string{"f.csv:1:16: groups: must not be empty"}},
		"a space before a group":  {"vdt_secret,a,7,\"dev, ops\"", []string{"f.csv:1:16: groups: has white space around"}},
		"one token twice":         {"vdt_secret,a,1\n\nu,b,2\nvdt_secret,a,1\n", []string{"f.csv:4:1: token: is the token of line 1"}},
		"not UTF-8":               {"vdt_secret\xff,a\xff,\xff,\xff", []string{"token: is not UTF-8", "username: is not UTF-8", "uid: is not UTF-8", "groups: is not UTF-8"}},
		"a byte order mark":       {"\xef\xbb\xbfvdt_secret,a,1", []string{"f.csv:1:1: begins with a byte order mark"}},
		"a quote inside":          {"a,b,1\nvdt_\"secret,a,1", []string{`f.csv:2:5: has a quote (") inside`}},
		"text after a quote":      {"a,b,1\n\"vdt_secret\"x,a,1", []string{`f.csv:2:12: has a column in quotes (")`}},
		"an unfinished quote":     {"a,b,1\n\"vdt_secret,a,1\nb,c,2\n", []string{`has a column in quotes (")`}},
		"mistakes before a quote": {"a,,1\n\"vdt_secret", []string{"f.csv:1:3: username", `f.csv:2:`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			entries, _, err := parseTokensCSV("f.csv", []byte(test.text))
			if err == nil {
				t.Fatalf("no error; read %+v", entries)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows the token: %v", err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(test.want) {
				t.Fatalf("got\n%v\nwant %d mistakes", err, len(test.want))
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, "f.csv:") || !strings.Contains(line, test.want[i]) {
					t.Errorf("got %q, want %q", line, test.want[i])
				}
			}
		})
	}
}

func FuzzParseTokensCSV(f *testing.F) {
	for _, seed := range []string{
		"", "t,alice,7\n", "t,alice,7,\"dev,ops\"\n", "t,alice,7,dev,ops", "\"t\"\"x\",\"a\r\nb\",,", "# a, b, c", ",,", ",,,,",
		"vdt_secret", "vdt_secret,a,1\nvdt_secret,b,2", "\"vdt_secret", "vdt_secret\"", "\"vdt_secret\"x,a,1", "\xef\xbb\xbft,a,1", "\xff,a,1", "t,a,1,\"a,,b\"",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		entries, warnings, err := parseTokensCSV("f.csv", text)
		if err != nil {
			if entries != nil || warnings != nil {
				t.Error("entries beside an error")
			}
			if strings.Contains(err.Error(), "vdt_") {
				t.Errorf("the error shows what the file holds: %v", err)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !strings.HasPrefix(line, "f.csv:") {
					t.Errorf("a mistake without a place: %q", line)
				}
			}
			return
		}
		if len(entries) == 0 && len(warnings) == 0 {
			t.Error("no tokens, and no warning")
		}
		// What is accepted is good in the other format as well.
		written, err := FormatFile(entries...)
		if err != nil {
			t.Fatalf("cannot write %+v: %v", entries, err)
		}
		again, err := ParseTokens("f.yaml", written)
		if err != nil || len(again) != len(entries) {
			t.Fatalf("wrote\n%s\nand read %+v, %v", written, again, err)
		}
		for i := range entries {
			if !reflect.DeepEqual(entries[i], again[i]) {
				t.Fatalf("wrote %+v, read %+v", entries[i], again[i])
			}
		}
	})
}

func TestTokenFileOfCSV(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.csv")
	identitytest.Write(t, path, "vdt_one,alice,7,\"dev,ops\"\nvdt_two,bob,8,dev,ops\n")
	f, err := newSource("old", path, nil, withFormat(CSV))
	identitytest.Must(t, err)
	if got := f.warnings(); got != nil {
		t.Errorf("warnings before the file was read: %q", got)
	}
	identitytest.Must(t, f.Load())

	verified, err := f.Verify(t.Context(), sources.ParseToken("vdt_one"))
	identitytest.Must(t, err)
	want := identitytest.Claims(t, map[string]any{"username": "alice", "uid": "7", "groups": []any{"dev", "ops"}})
	if verified.Source != "old" || verified.Type != "tokenFile" || verified.Subject != "alice" || !identitytest.SameClaims(t, verified.Claims, want) {
		t.Errorf("verified %+v", verified)
	}
	if _, err := f.Verify(t.Context(), sources.ParseToken("vdt_three")); err != identity.ErrUnknownToken { //nolint:errorlint // as it is
		t.Errorf("another token: %v", err)
	}
	warned := func(parts ...string) {
		t.Helper()
		got := f.warnings()
		if len(got) != len(parts) {
			t.Fatalf("warnings %q, want %d", got, len(parts))
		}
		for i, part := range parts {
			if !strings.Contains(got[i], path) || !strings.Contains(got[i], part) || strings.Contains(got[i], "vdt_") {
				t.Errorf("warning %q, want one about the file: %s", got[i], part)
			}
		}
	}
	warned("holds tokens in clear text", "the first in line 2")
	identitytest.Must(t, os.Chmod(path, 0o644))
	identitytest.Must(t, f.Load())
	warned("holds tokens in clear text", "readable by every user of the machine (mode 0644)", "the first in line 2")

	identitytest.Write(t, path, "vdt_one,alice\n")
	if err := f.Load(); err == nil || !strings.Contains(err.Error(), path+":1:1: has 2 columns") {
		t.Errorf("a bad file: %v", err)
	}
	if _, err := f.Verify(t.Context(), sources.ParseToken("vdt_one")); err != nil {
		t.Errorf("a bad file took the place of a good one: %v", err)
	}
}

func TestTokenFileOfAnUnknownFormat(t *testing.T) {
	if _, err := newSource("old", "tokens.txt", nil, withFormat("text")); err == nil || !strings.Contains(err.Error(), `"text"`) {
		t.Errorf("got %v, want the format", err)
	}
}
