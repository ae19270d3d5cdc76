package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/authentication/user"
)

// TestTokenCSV: of a token file in kube-apiserver's own format, verdict reads
// what kube-apiserver does.
func TestTokenCSV(t *testing.T) {
	const files, seed = 25, 20260102
	random := rand.New(rand.NewPCG(seed, seed))
	must(t, shared.InstallVerdict("testdata/policy"))
	type csvFile struct {
		kubernetes authenticator.Token
		tokens     []string
	}
	var all []csvFile
	var sources strings.Builder
	for i := range files {
		text, tokens := randomCSV(random, fmt.Sprintf("t%d-", i))
		path := filepath.Join(shared.VerdictDir(), "csv", fmt.Sprintf("%d.csv", i))
		write(t, path, text)
		kubernetes, err := tokenfile.NewCSV(path)
		if err != nil {
			t.Fatalf("not a file that kube-apiserver reads: %v\n%s", err, text)
		}
		all = append(all, csvFile{kubernetes, tokens})
		fmt.Fprintf(&sources, "    - name: csv%d\n      tokenFile: {path: csv/%d.csv, format: csv}\n", i, i)
	}
	addSources(t, sources.String())
	must(t, shared.StartVerdict(t.Context()))
	must(t, shared.EnsureAPIServer(t.Context(), shared.WebhookFlags("v1")))
	must(t, shared.WaitVerdictReady(t.Context()))
	verdict, _ := tokenAuthenticator(t, "v1")

	compared := 0
	for i, file := range all {
		for _, token := range file.tokens {
			want, known, err := file.kubernetes.AuthenticateToken(t.Context(), token)
			if err != nil || !known {
				t.Fatalf("file %d: kube-apiserver does not know %q: %v", i, token, err)
			}
			got, known, err := verdict.AuthenticateToken(t.Context(), token)
			if err != nil || !known {
				t.Errorf("file %d: verdict does not know %q: %v", i, token, err)
				continue
			}
			if shown(got.User) != shown(want.User) {
				t.Errorf("file %d: %q is\n%s\nwant\n%s", i, token, shown(got.User), shown(want.User))
			}
			compared++
		}
	}
	t.Logf("compared %d tokens of %d files", compared, files)
}

// shown leaves out the group without a name that kube-apiserver makes of an
// empty column of groups.
func shown(u user.Info) string {
	groups := map[string]bool{}
	for _, group := range u.GetGroups() {
		if group != "" {
			groups[group] = true
		}
	}
	return fmt.Sprintf("%q, uid %q, groups %q", u.GetName(), u.GetUID(), slices.Sorted(maps.Keys(groups)))
}

// randomCSV is a file with its tokens, written in all the ways there are.
func randomCSV(random *rand.Rand, prefix string) (text string, tokens []string) {
	var file strings.Builder
	for i := range 1 + random.IntN(20) {
		token := prefix + fmt.Sprint(i) + randomText(random, `ab,"#'\=é.-_`)
		columns := []string{token, "u" + randomText(random, "ab, \"#é:@\t") + "z", randomText(random, `01,"a`)}
		if random.IntN(4) > 0 {
			var groups []string
			for range random.IntN(4) {
				groups = append(groups, "g"+randomText(random, "ab \"é:")+"z")
			}
			columns = append(columns, strings.Join(groups, ","))
			for range random.IntN(2) * random.IntN(3) {
				columns = append(columns, randomText(random, `ab," `))
			}
		}
		for at, column := range columns {
			if at > 0 {
				file.WriteByte(',')
			}
			file.WriteString(randomlyQuoted(random, column))
		}
		file.WriteString([]string{"\n", "\r\n", "\n\n"}[random.IntN(3)])
		tokens = append(tokens, token)
	}
	return file.String(), tokens
}

func randomText(random *rand.Rand, letters string) string {
	alphabet := []rune(letters)
	var text strings.Builder
	for range random.IntN(6) {
		text.WriteRune(alphabet[random.IntN(len(alphabet))])
	}
	return text.String()
}

func randomlyQuoted(random *rand.Rand, column string) string {
	if strings.ContainsAny(column, "\",\r\n") || random.IntN(3) == 0 {
		return `"` + strings.ReplaceAll(column, `"`, `""`) + `"`
	}
	return column
}
