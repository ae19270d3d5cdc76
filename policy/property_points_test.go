package policy_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
)

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
		{path: []string{"metadata", "labels", "alice"}, pool: values("gold", "ops")},
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
		{path: []string{"pod", "metadata", "labels", "alice"}, pool: values("gold", "ops")},
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
		{path: []string{"identity", "claims", "alice"}, pool: values("gold", "ops")},
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
