package secrets

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/tokenfile"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

// dataOf is the data of a Secret: keys and values in turn.
func dataOf(pairs ...string) map[string][]byte {
	data := map[string][]byte{}
	for i := 0; i < len(pairs); i += 2 {
		data[pairs[i]] = []byte(pairs[i+1])
	}
	return data
}

func TestParseTokenSecret(t *testing.T) {
	tests := map[string]struct {
		data map[string][]byte
		want userlist.Entry
	}{
		"the least": {
			data: dataOf("sha256", identitytest.HashA, "username", "alice"),
			want: userlist.Entry{SHA256: identitytest.HashA, Username: "alice"},
		},
		"every key": {
			data: dataOf("sha256", strings.ToUpper(identitytest.HashA), "username", "system:admin", "uid", "7", "groups", "a\nb c",
				"audiences", "api\nvault", "expires", "2030-01-02T03:04:05Z", "extra", `{"x":["y",""],"z":[]}`),
			want: userlist.Entry{
				SHA256: identitytest.HashA, Username: "system:admin", UID: "7", Groups: []string{"a", "b c"},
				Audiences: []string{"api", "vault"}, Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
				Extra: map[string][]string{"x": {"y", ""}, "z": nil},
			},
		},
		"with the line ends of files": {
			data: dataOf("sha256", identitytest.HashA+"\n", "username", "alice\r\n", "groups", "a\r\nb\r\n", "expires", "2030-01-02T03:04:05Z\n", "extra", "{}\n"),
			want: userlist.Entry{
				SHA256: identitytest.HashA, Username: "alice", Groups: []string{"a", "b"},
				Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Extra: map[string][]string{},
			},
		},
		"no groups": {
			data: dataOf("sha256", identitytest.HashA, "username", "alice", "groups", "\n"),
			want: userlist.Entry{SHA256: identitytest.HashA, Username: "alice"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseTokenSecret(test.data)
			identitytest.Must(t, err)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestParseTokenSecretErrors(t *testing.T) {
	with := func(pairs ...string) map[string][]byte {
		return dataOf(append([]string{"sha256", identitytest.HashA, "username", "vdt_secret"}, pairs...)...)
	}
	tests := map[string]struct {
		data map[string][]byte
		want string
	}{
		"nothing":              {nil, "sha256: is missing; username: is missing"},
		"a short digest":       {dataOf("sha256", "abc", "username", "a"), "sha256: " + userlist.WantDigest},
		"the token itself":     {dataOf("sha256", "vdt_secret", "username", "a"), "sha256: " + userlist.WantDigest},
		"an empty digest":      {dataOf("sha256", "", "username", "a"), "sha256: must not be empty"},
		"two digests":          {dataOf("sha256", identitytest.HashA+"\n"+identitytest.HashB, "username", "a"), "sha256: must be one line"},
		"an empty username":    {dataOf("sha256", identitytest.HashA, "username", "\n"), "username: must not be empty"},
		"two line ends":        {dataOf("sha256", identitytest.HashA, "username", "a\n\n"), "username: must be one line"},
		"a space at the end":   {dataOf("sha256", identitytest.HashA, "username", "a "), "username: has white space around it: remove it"},
		"not UTF-8":            {dataOf("sha256", identitytest.HashA, "username", "\xff"), "username: is not UTF-8"},
		"an empty uid":         {with("uid", ""), "uid: must not be empty"},
		"an empty group":       {with("groups", "a\n\nb"), "groups, line 2: must not be empty"},
		"a space in the list":  {with("groups", "a\n b"), "groups, line 2: has white space around it: remove it"},
		"no audience":          {with("audiences", ""), "audiences: names none: leave the key out for a token that is good for any"},
		"a date":               {with("expires", "2030-01-01"), "expires: " + userlist.WantExpiry},
		"the zero time":        {with("expires", "0001-01-01T00:00:00Z"), "expires: " + userlist.WantExpiry},
		"extra a list":         {with("extra", "[]"), "extra: " + wantExtra},
		"extra null":           {with("extra", "null"), "extra: " + wantExtra},
		"extra of strings":     {with("extra", `{"a":"vdt_secret"}`), "extra: " + wantExtra},
		"extra of null":        {with("extra", `{"a":null}`), "extra: " + wantExtra},
		"null in extra":        {with("extra", `{"a":[null]}`), "extra: " + wantExtra},
		"a number in extra":    {with("extra", `{"a":[1]}`), "extra: " + wantExtra},
		"a name twice":         {with("extra", `{"a":[],"a":["vdt_secret"]}`), "extra: " + wantExtra},
		"a name that is empty": {with("extra", `{"":[]}`), "extra: " + wantExtra},
		"an unknown key":       {with("group", "a"), `data: unknown key "group"`},
		"a token for a key":    {with("vdt_"+strings.Repeat("x", 43), ""), "data: unknown key (a name of 47 bytes)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			entry, err := parseTokenSecret(test.data)
			if err == nil {
				t.Fatalf("no error; read %+v", entry)
			}
			if err.Error() != test.want {
				t.Errorf("got %q\nwant %q", err, test.want)
			}
		})
	}
}

func TestEntrySecretYAML(t *testing.T) {
	full := userlist.NewEntry("t", "alice@example.com")
	full.UID, full.Groups, full.Audiences = "1001", []string{"a", "true", "# b"}, []string{"https://kubernetes.default.svc"}
	full.Extra = map[string][]string{"b": {"<x>", `"`}, "a": nil}
	full.Expires = time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	odd := userlist.NewEntry("t", "yes")
	odd.UID, odd.Groups = "0x1F", []string{"~"}
	digits := userlist.Entry{SHA256: "1e" + identitytest.Zeros[2:], Username: "12:30:45", UID: "2030-01-01"}
	for name, entry := range map[string]userlist.Entry{"the least": userlist.NewEntry("t", "alice"), "full": full, "odd": odd, "digits": digits} {
		t.Run(name, func(t *testing.T) {
			text, err := Manifest(entry, "tokens", "a-1")
			identitytest.Must(t, err)
			// As kubectl and the API server read it.
			var secret struct {
				APIVersion, Kind, Type string
				Metadata               struct {
					Name, Namespace string
					Labels          map[string]string
				}
				StringData map[string]string
			}
			identitytest.Must(t, yaml.UnmarshalStrict([]byte(text), &secret))
			if secret.APIVersion != "v1" || secret.Kind != "Secret" || secret.Type != sources.TokenSecretType || secret.Metadata.Name != "a-1" ||
				secret.Metadata.Namespace != "tokens" || secret.Metadata.Labels[sources.TokenSecretLabel] != "true" {
				t.Errorf("the manifest is\n%s", text)
			}
			data := map[string][]byte{}
			for key, value := range secret.StringData {
				data[key] = []byte(value)
			}
			back, err := parseTokenSecret(data)
			identitytest.Must(t, err)
			if !reflect.DeepEqual(back, entry) {
				t.Errorf("wrote %+v\nread %+v", entry, back)
			}
		})
	}
}

func TestEntrySecretYAMLErrors(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*userlist.Entry)
		want   string
	}{
		"no username":           {func(e *userlist.Entry) { e.Username = "" }, "username"},
		"a username in lines":   {func(e *userlist.Entry) { e.Username = "a\nb" }, "username"},
		"a group in lines":      {func(e *userlist.Entry) { e.Groups = []string{"a\nb"} }, "group"},
		"an empty group":        {func(e *userlist.Entry) { e.Groups = []string{"a", ""} }, "group"},
		"an empty audience":     {func(e *userlist.Entry) { e.Audiences = []string{""} }, "audience"},
		"extra without a name":  {func(e *userlist.Entry) { e.Extra = map[string][]string{"": nil} }, "extra"},
		"extra that is no text": {func(e *userlist.Entry) { e.Extra = map[string][]string{"a": {"\xff"}} }, "extra"},
	} {
		t.Run(name, func(t *testing.T) {
			entry := userlist.NewEntry("t", "alice")
			test.change(&entry)
			if text, err := Manifest(entry, "tokens", "a"); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v and\n%s\nwant a word about %s", err, text, test.want)
			}
		})
	}
}

func TestNewSecretName(t *testing.T) {
	for username, want := range map[string]string{
		"alice":                         `^alice-[a-z2-7]{8}$`,
		"Alice.B@Example.com":           `^alice-b-example-com-[a-z2-7]{8}$`,
		"__a__":                         `^a-[a-z2-7]{8}$`,
		"Ünïcode":                       `^n-code-[a-z2-7]{8}$`,
		"名":                             `^token-[a-z2-7]{8}$`,
		strings.Repeat("ab.", 100):      `^[ab-]{39,40}-[a-z2-7]{8}$`,
		strings.Repeat("a", 39) + "-bc": `^a{39}-[a-z2-7]{8}$`,
	} {
		if got := NewName(username); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %s, want %s", username, got, want)
		}
	}
	if first, second := NewName("a"), NewName("a"); first == second {
		t.Error("two names are the same")
	}
}

func FuzzParseTokenSecret(f *testing.F) {
	f.Add([]byte(identitytest.HashA), []byte("alice"), []byte("a\nb"), []byte("2030-01-01T00:00:00Z"), []byte(`{"a":["b"]}`))
	f.Add([]byte(""), []byte("\n"), []byte("\r\n"), []byte(""), []byte(`{"a":null}`))
	f.Fuzz(func(t *testing.T, sha256, username, names, expires, extra []byte) {
		entry, err := parseTokenSecret(map[string][]byte{
			"sha256": sha256, "username": username, "groups": names, "audiences": names, "expires": expires, "extra": extra,
		})
		if err != nil {
			return
		}
		// What is accepted can be written, and is good in a file as well.
		if _, err := Manifest(entry, "tokens", "a"); err != nil {
			t.Errorf("cannot write %+v: %v", entry, err)
		}
		text, err := tokenfile.FormatFile(entry)
		if err != nil {
			t.Fatalf("no file of %+v: %v", entry, err)
		}
		again, err := tokenfile.ParseTokens("f.yaml", text)
		if err != nil || len(again) != 1 || !again[0].Expires.Equal(entry.Expires) {
			t.Fatalf("read %+v, %v", again, err)
		}
		again[0].Expires, entry.Expires = time.Time{}, time.Time{}
		if fmt.Sprint(again[0]) != fmt.Sprint(entry) {
			t.Errorf("wrote %+v, read %+v", entry, again[0])
		}
	})
}
