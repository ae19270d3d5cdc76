package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// variant changes one thing of a policy: a name, a field or a comparison in one
// file, only a comment, a file more. The text may not compile.
func variant(r *rand.Rand, p *point, files map[string]string) map[string]string {
	out := maps.Clone(files)
	names := slices.Sorted(maps.Keys(files))
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	if r.IntN(2) == 0 {
		// The files of helpers first: what an entry rule says changes, its own text doesn't.
		slices.SortStableFunc(names, func(a, b string) int {
			return strings.Count(a, p.pkg) - strings.Count(b, p.pkg)
		})
	}
	switch r.IntN(6) {
	case 0:
		out[names[0]] = "# touched\n" + out[names[0]]
	case 1:
		rule := map[string]string{"authorization": "allow", "scheduling": "reject", "authentication": "deny"}[p.name]
		out["more.rego"] = fmt.Sprintf("package %s\n\n%s contains \"more\" if input%s == %s\n", p.pkg, rule,
			access(p.leaves[0].path), canonical(p.leaves[0].pool[0]))
	case 2:
		replaceOne(r, out, names, []string{" == ", " != "}, []string{" == ", " != "})
	case 3:
		// Another field is read: the footprint changes.
		var fields []string
		for _, l := range p.leaves {
			fields = append(fields, "."+l.path[len(l.path)-1])
		}
		// The fields of a user are no fields of the input: the engine knows no others.
		const head, hidden = "\nuser.", "\nuser\x00"
		for _, name := range names {
			out[name] = strings.ReplaceAll(out[name], head, hidden)
		}
		replaceOne(r, out, names, fields, fields)
		for _, name := range names {
			out[name] = strings.ReplaceAll(out[name], hidden, head)
		}
	default:
		var constants []string
		for _, constant := range universe {
			constants = append(constants, strconv.Quote(constant))
		}
		replaceOne(r, out, names, constants, constants)
	}
	return out
}

// replaceOne puts one of to where one of from is, in the first of names that
// has any.
func replaceOne(r *rand.Rand, files map[string]string, names, from, to []string) {
	for _, name := range names {
		found := slices.DeleteFunc(slices.Clone(from), func(text string) bool { return !strings.Contains(files[name], text) })
		if len(found) > 0 {
			files[name] = strings.Replace(files[name], pick(r, found...), pick(r, to...), 1)
			return
		}
	}
}

// someStatic is a name under data.static, one that the policy reads if it
// reads any.
func (g generated) someStatic(r *rand.Rand) string {
	all := []string{"names", "allowed", "limits", "keys", "roles"}
	read := slices.DeleteFunc(slices.Clone(all), func(name string) bool {
		return !strings.Contains(fmt.Sprint(g.files), "data.static."+name)
	})
	if len(read) == 0 {
		read = all
	}
	return pick(r, read...)
}

func access(path []string) string {
	out := ""
	for _, name := range path {
		out += "[" + strconv.Quote(name) + "]"
	}
	return out
}

// literal writes data as a data file.
func literal(value any) []byte {
	out, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return out
}
