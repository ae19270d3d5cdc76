package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// kind is what a field holds when nothing about it is odd.
type kind int

const (
	text kind = iota
	number
	boolean
	texts   // a list of strings
	objects // a list of objects with the fields of leaf.fields
)

// leaf is a field of an input, and the few values it takes: a small pool makes
// caches hit, and two inputs often differ in one field.
type leaf struct {
	path   []string
	kind   kind
	pool   []any
	fields []leaf
	// strict fields are checked on the wire: they are of their kind or null.
	strict bool
}

// point is what the generators know of one extension point.
type point struct {
	name   string
	pkg    string
	leaves []leaf
	// finish makes of random fields an input that the wire would let through.
	finish func(r *rand.Rand, document map[string]any)
	// split gives the documents that travel apart.
	split func(document map[string]any) [3]any
	// join is how they become `input` again.
	join      func(parts [3][]byte) any
	questions []string
}

// universe are the names that inputs, policies and data have in common.
var universe = []string{
	"alice", "bob", "mallory", "ünï", "get", "list", "delete", "pods", "secrets", "nodes",
	"dev-a", "prod", "kube-system", "devs", "admins", "ops", "7", "60", "0x1f", "gold", "iron", "😀",
}

func values(names ...string) []any {
	out := make([]any, len(names))
	for i, name := range names {
		out[i] = name
	}
	return out
}

// numbers holds equal numbers that are written differently: they compare
// equal and print apart.
var numbers = []any{
	json.Number("1"), json.Number("1.0"), json.Number("7"), json.Number("7e0"), json.Number("60"),
	json.Number("0"), json.Number("-0"), json.Number("-3"), json.Number("2.5"), json.Number("9007199254740993"),
}

// claimNumbers are those a token may claim.
func claimNumbers() []any {
	return append([]any{json.Number("1234567")}, numbers[:len(numbers)-1]...)
}

func strictText(path string, pool ...string) leaf {
	return leaf{path: strings.Split(path, "."), pool: values(pool...), strict: true}
}

var requirementFields = []leaf{
	strictText("key", "metadata.name", "spec.nodeName"),
	strictText("operator", "In", "NotIn"),
	{path: []string{"values"}, kind: texts, pool: values("alice", "nodes"), strict: true},
}

var authorizationPoint = &point{
	name: "authorization",
	pkg:  "kubernetes.authorization",
	leaves: []leaf{
		strictText("spec.user", "alice", "bob", "mallory", "ünï", ""),
		strictText("spec.uid", "7", "60", "0x1f", "alice"),
		{path: []string{"spec", "groups"}, kind: texts, pool: values("devs", "admins", "ops", "alice"), strict: true},
		{path: []string{"spec", "extra", "scopes"}, kind: texts, pool: values("gold", "get"), strict: true},
		{path: []string{"spec", "extra", "example.org/team"}, kind: texts, pool: values("devs", "😀"), strict: true},
		strictText("spec.resourceAttributes.verb", "get", "list", "delete"),
		strictText("spec.resourceAttributes.namespace", "dev-a", "prod", "kube-system", ""),
		strictText("spec.resourceAttributes.resource", "pods", "secrets", "nodes"),
		strictText("spec.resourceAttributes.name", "alice", "7", "prod"),
		strictText("spec.resourceAttributes.subresource", "gold", ""),
		{path: []string{"spec", "resourceAttributes", "fieldSelector", "requirements"}, kind: objects, fields: requirementFields, strict: true},
		{path: []string{"spec", "resourceAttributes", "labelSelector", "requirements"}, kind: objects, fields: requirementFields, strict: true},
		strictText("spec.nonResourceAttributes.path", "get", "pods", "/healthz"),
		strictText("spec.nonResourceAttributes.verb", "get", "list"),
		{path: []string{"metadata", "name"}, pool: values("alice", "60")},
		{path: []string{"metadata", "generation"}, kind: number, pool: numbers},
		{path: []string{"metadata", "labels", "tier"}, pool: values("gold", "iron", "7")},
		{path: []string{"metadata", "labels", "example.org/team"}, pool: values("devs", "ops")},
	},
	finish: func(r *rand.Rand, document map[string]any) {
		document["apiVersion"], document["kind"] = "authorization.k8s.io/v1", "SubjectAccessReview"
		spec := object(document, "spec")
		if user, _ := spec["user"].(string); user == "" && spec["groups"] == nil {
			spec["user"] = "alice"
		}
		// A review has either the one or the other.
		_, resource := spec["resourceAttributes"]
		_, other := spec["nonResourceAttributes"]
		if other && (!resource || r.IntN(5) == 0) {
			delete(spec, "resourceAttributes")
			object(spec, "nonResourceAttributes")
		} else {
			delete(spec, "nonResourceAttributes")
			object(spec, "resourceAttributes")
		}
	},
	split:     func(document map[string]any) [3]any { return [3]any{document} },
	join:      func(parts [3][]byte) any { return decodeNumbers(parts[0]) },
	questions: []string{"authorize"},
}

var schedulingPoint = &point{
	name: "scheduling",
	pkg:  "kubernetes.scheduling",
	leaves: []leaf{
		{path: []string{"pod", "metadata", "name"}, pool: values("alice", "bob")},
		{path: []string{"pod", "metadata", "namespace"}, pool: values("dev-a", "prod", "kube-system")},
		{path: []string{"pod", "metadata", "labels", "tier"}, pool: values("gold", "iron", "60")},
		{path: []string{"pod", "metadata", "labels", "example.org/team"}, pool: values("devs", "ops", "alice")},
		{path: []string{"pod", "spec", "priority"}, kind: number, pool: numbers},
		{path: []string{"pod", "spec", "hostNetwork"}, kind: boolean, pool: []any{true, false}},
		{path: []string{"pod", "spec", "nodeSelector", "disk"}, pool: values("gold", "7")},
		{path: []string{"pod", "spec", "containers"}, kind: objects, fields: []leaf{
			{path: []string{"name"}, pool: values("alice", "ops")},
			{path: []string{"image"}, pool: values("prod", "dev-a", "list")},
		}},
		{path: []string{"node", "metadata", "name"}, pool: values("nodes", "alice", "ünï")},
		{path: []string{"node", "metadata", "labels", "tier"}, pool: values("gold", "iron", "7")},
		{path: []string{"node", "metadata", "labels", "disk"}, pool: values("gold", "7")},
		{path: []string{"node", "spec", "unschedulable"}, kind: boolean, pool: []any{true, false}},
		{path: []string{"node", "spec", "taints"}, kind: objects, fields: []leaf{
			{path: []string{"key"}, pool: values("gold", "iron")},
			{path: []string{"effect"}, pool: values("devs", "ops")},
		}},
		{path: []string{"node", "status", "allocatable", "cpu"}, pool: values("7", "60", "0x1f")},
		{path: []string{"node", "status", "allocatable", "pods"}, kind: number, pool: numbers},
		{path: []string{"state", "allocatable", "cpu"}, kind: number, pool: amounts(2000, 4000, 8000), strict: true},
		{path: []string{"state", "allocatable", "memory"}, kind: number, pool: amounts(4096, 1<<20), strict: true},
		{path: []string{"state", "allocatable", "example.org/gpu"}, kind: number, pool: amounts(4, 8), strict: true},
		{path: []string{"state", "requested", "cpu"}, kind: number, pool: amounts(500, 1500, 2500), strict: true},
		{path: []string{"state", "requested", "memory"}, kind: number, pool: amounts(1024, 2048), strict: true},
		{path: []string{"state", "requested", "example.org/gpu"}, kind: number, pool: amounts(2, 5), strict: true},
		// What these hold follows from the others.
		{path: []string{"state", "free", "cpu"}, kind: number, pool: amounts(500, 1500, 2500, 3500, -500), strict: true},
		{path: []string{"state", "free", "example.org/gpu"}, kind: number, pool: amounts(2, 3, 6), strict: true},
		{path: []string{"state", "quantities", "requested", "cpu"}, pool: values("500m", "1500m"), strict: true},
		{path: []string{"state", "quantities", "free", "memory"}, pool: values("3Ki", "2Ki"), strict: true},
		{path: []string{"state", "pods"}, kind: objects, strict: true, fields: []leaf{
			{path: []string{"namespace"}, pool: values("dev-a", "prod"), strict: true},
			{path: []string{"name"}, pool: values("alice", "bob"), strict: true},
			{path: []string{"uid"}, pool: values("gold", "iron"), strict: true},
			{path: []string{"priority"}, kind: number, pool: amounts(2, 5, 100), strict: true},
		}},
		// Of nodes that nothing more is known of.
		{path: []string{"state", "none"}, kind: boolean, pool: []any{false, false, false, true}, strict: true},
	},
	finish: func(_ *rand.Rand, document map[string]any) {
		finishState(document)
		object(document, "pod")["kind"] = "Pod"
		// A scheduler's nodes come without a kind, and never without a name.
		metadata := object(object(document, "node"), "metadata")
		if name, ok := metadata["name"].(string); !ok || name == "" {
			metadata["name"] = "nodes"
		}
	},
	split: func(document map[string]any) [3]any {
		return [3]any{document["pod"], document["node"], document["state"]}
	},
	join: func(parts [3][]byte) any {
		document := map[string]any{"pod": decodeNumbers(parts[0]), "node": decodeNumbers(parts[1])}
		if parts[2] != nil {
			document["state"] = decodeNumbers(parts[2])
		}
		return document
	},
	questions: []string{"place", "score"},
}

// amounts are whole numbers. None is one of numbers, which have a twin.
func amounts(each ...int64) []any {
	out := make([]any, len(each))
	for i, n := range each {
		out[i] = json.Number(strconv.FormatInt(n, 10))
	}
	return out
}

// finishState makes of random fields a state as the engine would give it. Of
// one that is finished it makes the same.
func finishState(document map[string]any) {
	state, ok := document["state"].(map[string]any)
	if !ok || state["none"] == true {
		delete(document, "state")
		return
	}
	delete(state, "none")
	allocatable, requested := finishAmounts(state, "allocatable"), finishAmounts(state, "requested")
	free := map[string]any{}
	for resource, amount := range allocatable {
		left := whole(amount)
		if taken, ok := requested[resource]; ok {
			left -= whole(taken)
		}
		free[resource] = json.Number(strconv.FormatInt(left, 10))
	}
	state["free"] = free
	state["quantities"] = map[string]any{
		"allocatable": quantities(allocatable), "requested": quantities(requested), "free": quantities(free),
	}
	pods, _ := state["pods"].([]any)
	if pods == nil {
		pods = []any{}
	}
	for _, item := range pods {
		pod := item.(map[string]any)
		for _, name := range []string{"namespace", "name", "uid"} {
			if pod[name] == nil {
				pod[name] = "alice"
			}
		}
		if pod["priority"] == nil {
			pod["priority"] = json.Number("2")
		}
		pod["labels"] = map[string]any{"tier": pod["name"]}
		pod["annotations"], pod["requests"] = map[string]any{}, map[string]any{}
	}
	state["pods"] = pods
}

// finishAmounts keeps the numbers of an object of them.
func finishAmounts(state map[string]any, name string) map[string]any {
	out := object(state, name)
	maps.DeleteFunc(out, func(_ string, amount any) bool {
		_, ok := amount.(json.Number)
		return !ok
	})
	return out
}

func whole(amount any) int64 {
	n, err := amount.(json.Number).Int64()
	if err != nil {
		panic(err)
	}
	return n
}

// quantities writes amounts as Kubernetes does.
func quantities(amounts map[string]any) map[string]any {
	out := map[string]any{}
	for resource, amount := range amounts {
		n := whole(amount)
		text := strconv.FormatInt(n, 10)
		switch {
		case resource == "cpu" && n%1000 == 0:
			text = strconv.FormatInt(n/1000, 10)
		case resource == "cpu":
			text += "m"
		case resource == "memory" && n != 0 && n%(1<<20) == 0:
			text = strconv.FormatInt(n>>20, 10) + "Mi"
		case resource == "memory" && n != 0 && n%(1<<10) == 0:
			text = strconv.FormatInt(n>>10, 10) + "Ki"
		}
		out[resource] = text
	}
	return out
}

var authenticationPoint = &point{
	name: "authentication",
	pkg:  "kubernetes.authentication",
	leaves: []leaf{
		{path: []string{"spec", "audiences"}, kind: texts, pool: values("get", "list"), strict: true},
		{path: []string{"metadata", "name"}, pool: values("alice", "60")},
		strictText("identity.source", "gold", "iron"),
		strictText("identity.type", "tokenFile", "ops"),
		strictText("identity.subject", "alice", "bob", "mallory", "7"),
		{path: []string{"identity", "audiences"}, kind: texts, pool: values("get", "list"), strict: true},
		{path: []string{"identity", "claims", "email"}, pool: values("alice", "bob", "ünï", "system:admin")},
		{path: []string{"identity", "claims", "groups"}, kind: texts, pool: values("devs", "admins", "ops", "system:masters")},
		{path: []string{"identity", "claims", "level"}, kind: number, pool: claimNumbers()},
		{path: []string{"identity", "claims", "verified"}, kind: boolean, pool: []any{true, false}},
		{path: []string{"identity", "claims", "example.org/team"}, pool: values("devs", "ops", "60")},
	},
	finish: func(_ *rand.Rand, document map[string]any) {
		document["apiVersion"], document["kind"] = "authentication.k8s.io/v1", "TokenReview"
		object(document, "spec")
		identity := object(document, "identity")
		for _, name := range []string{"source", "type", "subject"} {
			if _, ok := identity[name].(string); !ok {
				identity[name] = "alice"
			}
		}
		if list, ok := identity["audiences"].([]any); !ok || len(list) == 0 {
			delete(identity, "audiences")
		}
		if _, ok := identity["claims"].(map[string]any); !ok {
			delete(identity, "claims")
		}
	},
	split: func(document map[string]any) [3]any {
		review := maps.Clone(document)
		delete(review, "identity")
		return [3]any{review, document["identity"], nil}
	},
	join: func(parts [3][]byte) any {
		document, ok := decodeNumbers(parts[0]).(map[string]any)
		if !ok {
			panic("a review is an object")
		}
		document["identity"] = decodeNumbers(parts[1])
		return document
	},
	questions: []string{"authenticate"},
}

var points = []*point{authorizationPoint, schedulingPoint, authenticationPoint}

func decodeNumbers(content []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.UseNumber()
	var out any
	if err := decoder.Decode(&out); err != nil {
		panic(fmt.Sprintf("%v: %s", err, content))
	}
	return out
}

// object returns the object at name, put there when something else is.
func object(parent map[string]any, name string) map[string]any {
	child, ok := parent[name].(map[string]any)
	if !ok {
		child = map[string]any{}
		parent[name] = child
	}
	return child
}

func (l leaf) value(r *rand.Rand) any {
	if r.IntN(16) == 0 {
		return nil
	}
	if !l.strict && r.IntN(12) == 0 {
		odd := []any{"", true, json.Number("7"), []any{"alice"}, map[string]any{"alice": "bob"}, map[string]any{}, []any{}}
		return odd[r.IntN(len(odd))]
	}
	switch l.kind {
	case texts:
		out := []any{}
		for range r.IntN(4) {
			out = append(out, l.pool[r.IntN(len(l.pool))])
		}
		return out
	case objects:
		out := []any{}
		for range r.IntN(3) {
			item := map[string]any{}
			for _, field := range l.fields {
				if r.IntN(6) > 0 {
					item[field.path[0]] = field.value(r)
				}
			}
			out = append(out, item)
		}
		return out
	default:
		return l.pool[r.IntN(len(l.pool))]
	}
}

// document is a random input.
func (p *point) document(r *rand.Rand) map[string]any {
	out := map[string]any{}
	for _, l := range p.leaves {
		if r.IntN(7) > 0 {
			put(out, l.path, l.value(r))
		}
	}
	if p == authorizationPoint && r.IntN(6) == 0 {
		object(out, "metadata")["labels"] = nil
	}
	p.finish(r, out)
	return out
}

// near is a copy of document that differs in one field.
func (p *point) near(r *rand.Rand, document map[string]any) map[string]any {
	out := clone(document).(map[string]any)
	l := p.leaves[r.IntN(len(p.leaves))]
	if r.IntN(4) == 0 {
		remove(out, l.path)
	} else {
		put(out, l.path, l.value(r))
	}
	p.finish(rand.New(rand.NewPCG(4, 2)), out)
	return out
}

// gaps are copies of document in which one field is absent and null.
func (p *point) gaps(r *rand.Rand, document map[string]any) []map[string]any {
	var out []map[string]any
	l := p.leaves[r.IntN(len(p.leaves))]
	absent := clone(document).(map[string]any)
	remove(absent, l.path)
	null := clone(document).(map[string]any)
	put(null, l.path, nil)
	for _, each := range []map[string]any{absent, null} {
		if p.valid(each) {
			out = append(out, each)
		}
	}
	return out
}

// valid reports whether the wire lets document through.
func (p *point) valid(document map[string]any) bool {
	finished := clone(document).(map[string]any)
	p.finish(rand.New(rand.NewPCG(4, 2)), finished)
	return canonical(finished) == canonical(document)
}

// twin is document with its numbers written otherwise: it compares equal, and
// a policy that prints a number tells it apart.
func twin(document any) any {
	switch v := document.(type) {
	case map[string]any:
		for name, item := range v {
			v[name] = twin(item)
		}
	case []any:
		for i, item := range v {
			v[i] = twin(item)
		}
	case json.Number:
		if other, ok := otherForms[v]; ok {
			return other
		}
	}
	return document
}

var otherForms = map[json.Number]json.Number{
	"1": "1.0", "1.0": "1", "7": "7e0", "7e0": "7", "60": "6e1", "0": "-0", "-0": "0", "-3": "-3.0", "2.5": "25e-1",
}

func clone(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, item := range v {
			out[name] = clone(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = clone(item)
		}
		return out
	}
	return value
}

// put sets the value at path, unless something that is no object is in the way.
func put(document map[string]any, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		if taken, ok := document[name]; ok {
			if _, isObject := taken.(map[string]any); !isObject {
				return
			}
		}
		document = object(document, name)
	}
	document[path[len(path)-1]] = value
}

func remove(document map[string]any, path []string) {
	if parent, ok := lookup(document, path[:len(path)-1]); ok {
		if parent, ok := parent.(map[string]any); ok {
			delete(parent, path[len(path)-1])
		}
	}
}

func lookup(value any, path []string) (any, bool) {
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// canonical is equal for equal documents; numbers keep the form they are
// written in.
func canonical(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// write gives document in one of its many byte forms.
func write(r *rand.Rand, value any) []byte {
	var b bytes.Buffer
	plain := r.IntN(3) == 0
	space := func() {
		if !plain && r.IntN(4) == 0 {
			b.WriteString([]string{" ", "\n", "\t", "  "}[r.IntN(4)])
		}
	}
	str := func(s string) {
		b.WriteByte('"')
		for _, c := range s {
			switch {
			case c == '"' || c == '\\':
				b.WriteString(`\` + string(c))
			case c == '/' && !plain && r.IntN(2) == 0:
				b.WriteString(`\/`)
			case !plain && r.IntN(8) == 0:
				for _, unit := range utf16.Encode([]rune{c}) {
					hex := strconv.FormatUint(uint64(unit), 16)
					if r.IntN(2) == 0 {
						hex = strings.ToUpper(hex)
					}
					b.WriteString(`\u` + strings.Repeat("0", 4-len(hex)) + hex)
				}
			default:
				b.WriteRune(c)
			}
		}
		b.WriteByte('"')
	}
	var emit func(value any)
	emit = func(value any) {
		space()
		switch v := value.(type) {
		case nil:
			b.WriteString("null")
		case bool:
			b.WriteString(strconv.FormatBool(v))
		case json.Number:
			b.WriteString(string(v))
		case string:
			str(v)
		case []any:
			b.WriteByte('[')
			for i, item := range v {
				if i > 0 {
					b.WriteByte(',')
				}
				emit(item)
			}
			b.WriteByte(']')
		case map[string]any:
			names := slices.Sorted(maps.Keys(v))
			r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			b.WriteByte('{')
			for i, name := range names {
				if i > 0 {
					b.WriteByte(',')
				}
				space()
				str(name)
				space()
				b.WriteByte(':')
				emit(v[name])
			}
			b.WriteByte('}')
		default:
			panic(fmt.Sprintf("%T is not JSON", value))
		}
		space()
	}
	emit(value)
	return b.Bytes()
}

// request is one input as it travels, in one byte form.
type request struct {
	// key is equal for requests that mean the same.
	key   string
	parts [3][]byte
}

func (p *point) request(r *rand.Rand, document map[string]any) request {
	out := request{key: canonical(document)}
	for i, part := range p.split(document) {
		if part != nil {
			out.parts[i] = write(r, part)
		}
	}
	return out
}

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
