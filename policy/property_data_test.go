package policy_test

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
)

// randomData is what policies find under data.static and data.access, each a
// data file, and under data.cluster, by resource.
type randomData struct {
	static, access map[string]any
	cluster        map[string]any
}

func (p *point) data(r *rand.Rand) randomData {
	out := randomData{
		static:  map[string]any{},
		access:  map[string]any{},
		cluster: map[string]any{},
	}
	for _, name := range []string{"names", "allowed", "limits", "keys", "roles"} {
		out.static[name] = p.staticValue(r, name)
	}
	for _, name := range universe {
		if r.IntN(2) == 0 {
			out.access[name] = randomAccess(r)
		}
	}
	for _, resource := range clusterResources {
		out.cluster[resource] = clusterValue(r, resource)
	}
	return out
}

func someNames(r *rand.Rand) []any {
	out := []any{}
	for _, name := range universe {
		if r.IntN(3) == 0 {
			out = append(out, name)
		}
	}
	return out
}

func randomAccess(r *rand.Rand) map[string]any {
	out := map[string]any{"names": someNames(r)}
	if r.IntN(5) > 0 {
		out["level"] = json.Number(strconv.Itoa(r.IntN(6)))
	}
	if r.IntN(2) == 0 {
		out["tier"] = universe[r.IntN(len(universe))]
	}
	return out
}

func (p *point) staticValue(r *rand.Rand, name string) any {
	switch name {
	case "names":
		out := map[string]any{}
		for _, name := range universe {
			if r.IntN(2) == 0 {
				out[name] = universe[r.IntN(len(universe))]
			}
		}
		return out
	case "allowed":
		return someNames(r)
	case "limits":
		return map[string]any{"low": json.Number(strconv.Itoa(r.IntN(3))), "high": json.Number(strconv.Itoa(3 + r.IntN(60)))}
	case "keys":
		// The names of fields: data decides which field a policy reads.
		out := map[string]any{}
		for _, l := range p.leaves {
			name := l.path[len(l.path)-1]
			out[name] = name
			if r.IntN(4) == 0 {
				other := p.leaves[r.IntN(len(p.leaves))].path
				out[name] = other[len(other)-1]
			}
		}
		return out
	default:
		out := map[string]any{}
		for _, name := range []string{"reader", "writer"} {
			out[name] = map[string]any{"members": someNames(r), "level": json.Number(strconv.Itoa(r.IntN(6)))}
		}
		return out
	}
}

var clusterResources = []string{"users", "namespaces", "flags"}

func clusterValue(r *rand.Rand, resource string) any {
	out := map[string]any{}
	switch resource {
	case "users":
		for _, name := range universe {
			if r.IntN(2) == 0 {
				out[name] = map[string]any{"level": json.Number(strconv.Itoa(r.IntN(6))), "disabled": r.IntN(3) == 0}
			}
		}
	case "namespaces":
		for _, name := range universe {
			if r.IntN(2) == 0 {
				out[name] = map[string]any{"labels": map[string]any{"tier": universe[r.IntN(len(universe))]}}
			}
		}
	default:
		out["strict"] = r.IntN(2) == 0
		out["mode"] = universe[r.IntN(len(universe))]
	}
	return out
}
