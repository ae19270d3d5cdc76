package generate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

func company(t *testing.T) *generate.Company {
	t.Helper()
	c, err := generate.NewCompany(generate.Size{Users: 100, Bindings: 1000, Namespaces: 20}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCompanyHasTheSizeAskedFor(t *testing.T) {
	c := company(t)
	total, wide := 0, 0
	for _, subjects := range []map[string][]generate.Binding{c.Access.Users, c.Access.Groups} {
		for name, bindings := range subjects {
			if len(bindings) > 8 {
				t.Errorf("%s has %d bindings, want 8 at most", name, len(bindings))
			}
			for _, b := range bindings {
				total++
				if b.Namespaces[0] == "*" {
					wide++
				}
				if _, ok := c.Access.Roles[b.Role]; !ok {
					t.Errorf("%s has the role %q, which there is not", name, b.Role)
				}
			}
		}
	}
	if total != 1000 || wide != 500 || len(c.People) != 100 {
		t.Errorf("%d people with %d bindings, %d of them cluster-wide; want 100, 1000, 500", len(c.People), total, wide)
	}
}

func TestImpossibleCompanies(t *testing.T) {
	for name, size := range map[string]generate.Size{
		"nobody":                {Bindings: 100, Namespaces: 1},
		"no namespaces":         {Users: 10, Bindings: 100},
		"more bindings than 8×": {Users: 10, Bindings: 162, Namespaces: 1},
	} {
		if _, err := generate.NewCompany(size, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func workloads(t *testing.T, c *generate.Company) []*generate.Workload {
	t.Helper()
	tokens, err := generate.TokenReviews(c, 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	access, err := generate.SubjectAccessReviews(c, 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	made := slices.Concat(access, []*generate.Workload{tokens})
	for count, form := range map[int]generate.Form{20: generate.WholeNodes, 30: generate.NodeNames} {
		filter, prioritize, err := generate.Placements(generate.Nodes(count, 1), form, generate.KnownSpecs, 3, 1)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, filter, prioritize)
	}
	slices.SortFunc(made, func(a, b *generate.Workload) int { return strings.Compare(a.Name, b.Name) })
	return made
}

func TestWorkloads(t *testing.T) {
	first, second := workloads(t, company(t)), workloads(t, company(t))
	for i, w := range first {
		t.Run(w.Name, func(t *testing.T) {
			unique := 0
			for n := range uint64(len(w.Samples)) {
				body := w.Body([]byte("before"), n)
				if !bytes.Equal(body, second[i].Body([]byte("before"), n)) {
					t.Fatalf("request %d differs for the same seed", n)
				}
				if !json.Valid(body[len("before"):]) || bytes.Contains(body, []byte("@@")) {
					t.Fatalf("request %d is no JSON document, or unfinished: %.300s", n, body)
				}
				// The same sample, asked in the next turn.
				again := w.Body(nil, n+uint64(len(w.Samples)))
				if differs := !bytes.Equal(body[len("before"):], again); differs != w.Samples[n].Unique() {
					t.Fatalf("request %d: differs is %v", n, differs)
				} else if differs {
					unique++
				}
			}
			want := map[string]int{
				"TokenReview, token file":          0,
				"SubjectAccessReview, repeated":    0,
				"SubjectAccessReview, mixed":       len(w.Samples) / 10,
				"SubjectAccessReview, other bytes": len(w.Samples),
				"SubjectAccessReview, never seen":  len(w.Samples),
				"filter, 20 nodes":                 len(w.Samples),
				"prioritize, 20 nodes":             len(w.Samples),
				"filter, 30 nodes":                 len(w.Samples),
				"prioritize, 30 nodes":             len(w.Samples),
			}
			if got, ok := want[w.Name]; !ok || got != unique {
				t.Errorf("%d of %d samples are never the same, want %d", unique, len(w.Samples), got)
			}
		})
	}
}

func TestAccessReviewsAreSkewed(t *testing.T) {
	c := company(t)
	access, err := generate.SubjectAccessReviews(c, 1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	users, resources := map[string]int{}, map[string]int{}
	for n := range uint64(1000) {
		var review authorizationv1.SubjectAccessReview
		if err := json.Unmarshal(access[0].Body(nil, n), &review); err != nil {
			t.Fatal(err)
		}
		users[review.Spec.User]++
		resources[review.Spec.ResourceAttributes.Resource]++
	}
	if top := users[c.People[0].Name]; top < 150 || len(users) < 30 {
		t.Errorf("the first of %d users asks %d of 1000 times; want 150 or more, of 30 users or more", len(users), top)
	}
	if top := resources["pods"]; top < 200 || len(resources) < 10 {
		t.Errorf("pods are %d of 1000 requests for %d resources; want 200 or more, of 10 or more", top, len(resources))
	}
}

func TestPlacementsVaryInWhatThePolicyReads(t *testing.T) {
	filter, _, err := generate.Placements(generate.Nodes(500, 1), generate.WholeNodes, generate.KnownSpecs, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	var args extenderv1.ExtenderArgs
	if err := json.Unmarshal(filter.Body(nil, 7), &args); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(args.Pod.Name, "-000000000007") || args.NodeNames != nil || len(args.Nodes.Items) != 500 {
		t.Errorf("pod %s, names %v, %d nodes", args.Pod.Name, args.NodeNames, len(args.Nodes.Items))
	}
	classes, hosts := map[string]bool{}, map[string]bool{}
	for _, node := range args.Nodes.Items {
		hosts[node.Labels["kubernetes.io/hostname"]] = true
		classes[fmt.Sprint(node.Labels["verdict.dev/tenant"], node.Labels["verdict.dev/cordoned"], node.Spec.Taints)] = true
	}
	if len(classes) != generate.NodeClasses || len(hosts) != 500 {
		t.Errorf("500 nodes are of %d classes and have %d hostnames; want %d, 500", len(classes), len(hosts), generate.NodeClasses)
	}
	if perNode := filter.MeanBytes() / 500; perNode < 3000 || perNode > 30000 {
		t.Errorf("%d bytes a node; want 3000 to 30000, as real ones have", perNode)
	}
}

func TestNewSpecsDifferBeyondTheName(t *testing.T) {
	for specs, differ := range map[generate.Specs]bool{generate.KnownSpecs: false, generate.NewSpecs: true} {
		filter, _, err := generate.Placements(generate.Nodes(2, 1), generate.NodeNames, specs, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		var first, second extenderv1.ExtenderArgs
		for n, args := range []*extenderv1.ExtenderArgs{&first, &second} {
			if err := json.Unmarshal(filter.Body(nil, uint64(n)), args); err != nil {
				t.Fatal(err)
			}
		}
		if first.NodeNames == nil || len(*first.NodeNames) != 2 || first.Nodes != nil || first.Pod.Name == second.Pod.Name {
			t.Errorf("%s: names %v, pods %s and %s", specs, first.NodeNames, first.Pod.Name, second.Pod.Name)
		}
		if differs := !equality.Semantic.DeepEqual(first.Pod.Spec, second.Pod.Spec); differs != differ {
			t.Errorf("%s: specs differ is %v", specs, differs)
		}
	}
}

func TestDecisionsAreEverybodys(t *testing.T) {
	c := company(t)
	first, second := generate.NewDecisions(c, 1), generate.NewDecisions(c, 1)
	users := map[string]int{}
	for range 500 {
		review := first.Next()
		if !equality.Semantic.DeepEqual(review, second.Next()) {
			t.Fatal("the same seed draws other reviews")
		}
		users[review.Spec.User]++
	}
	if len(users) != len(c.People) {
		t.Errorf("%d of %d people ask", len(users), len(c.People))
	}
}
