package handlers_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// seed adds what the other tests send, good and bad, but for the huge bodies.
func seed(f *testing.F, more ...string) {
	f.Helper()
	const largest = 16 << 10
	for _, e := range endpoints() {
		f.Add([]byte(e.valid("")))
		for _, b := range badRequests(e) {
			if len(b.body) < largest {
				f.Add([]byte(b.body))
			}
		}
	}
	for _, body := range more {
		f.Add([]byte(body))
	}
}

// fuzzed sends body and checks what holds whatever it is. It reports whether
// the body got a decision.
func (s *service) fuzzed(t *testing.T, path string, body []byte) (*httptest.ResponseRecorder, bool) {
	t.Helper()
	defer s.log.Reset()
	w := s.bad(t, path, badRequest{body: string(body)})
	s.wantMetric(t, 0, "verdict_handler_panics_total")
	if w.Code == http.StatusOK {
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("the answer is no JSON: %s", w.Body)
		}
		return w, true
	}
	if w.Code < 400 || w.Code > 499 {
		t.Errorf("code is %d, want 200 or 4xx; body: %s", w.Code, w.Body)
	}
	var status metav1.Status
	decodeStrict(t, w.Body.Bytes(), &status)
	if int(status.Code) != w.Code || status.Message == "" {
		t.Errorf("the Status of a %d says %+v", w.Code, status)
	}
	return w, false
}

// asked is what a review says of itself; encoding/json takes names in any case
// and the last of two, so only documents that are decided are read with it.
type asked struct {
	APIVersion, Kind string
	Status           map[string]any
}

func FuzzTokenReview(f *testing.F) {
	seed(f, tokenReviewBody(f, "v1", secretToken, "api"), tokenReviewBody(f, "v1beta1", "another"))
	s := everyPoint(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w, decided := s.fuzzed(t, "/authenticate", body)
		if !decided {
			return
		}
		var answer asked
		decodeStrict(t, w.Body.Bytes(), &answer)
		if answer.Kind != "TokenReview" || !strings.HasPrefix(answer.APIVersion, "authentication.k8s.io/v1") {
			t.Errorf("answered as %s %s", answer.APIVersion, answer.Kind)
		}
		if answer.Status["authenticated"] == true && !strings.Contains(unescaped(t, body), secretToken) {
			t.Errorf("a body without the token is authenticated: %s", body)
		}
	})
}

// unescaped is body with every string as it reads, since a token may be written with escapes.
func unescaped(t *testing.T, body []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("a body that encoding/json refuses was decided: %v", err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func FuzzSubjectAccessReview(f *testing.F) {
	seed(f, accessReview("v1", aliceGetsPods), accessReview("v1beta1", aliceReadsHome))
	const rules = authorizationPackage + `
allow contains input.spec.user if input.spec.resourceAttributes.verb

deny contains "not home" if input.spec.nonResourceAttributes.path != "/home"
`
	s := newService(f, []string{rules})
	f.Fuzz(func(t *testing.T, body []byte) {
		w, decided := s.fuzzed(t, "/authorize", body)
		if !decided {
			return
		}
		var answer asked
		decodeStrict(t, w.Body.Bytes(), &answer)
		if answer.Kind != "SubjectAccessReview" || !strings.HasPrefix(answer.APIVersion, "authorization.k8s.io/v1") {
			t.Errorf("answered as %s %s", answer.APIVersion, answer.Kind)
		}
		if answer.Status["allowed"] == true && answer.Status["denied"] == true {
			t.Errorf("allowed and denied together: %s", w.Body)
		}
	})
}

func FuzzExtender(f *testing.F) {
	seed(f,
		wholeNodes(tenantPod, node("fit"), node("full", "full", "yes"), node("odd", "odd", "x")),
		namedNodes(f, "fit", "full", "gone"),
		`{"pod":`+tenantPod+`,"NODENAMES":["fit"],"nodes":null}`,
		`{"Pod":{},"NodeNames":["fit"],"NODENAMES":["full"]}`,
	)
	s := newService(f, []string{placementPolicy}, inCluster(f, node("fit"), node("full", "full", "yes")))
	f.Fuzz(func(t *testing.T, body []byte) {
		filtered, filterDecided := s.fuzzed(t, "/scheduler/filter", body)
		scored, scoreDecided := s.fuzzed(t, "/scheduler/prioritize", body)
		if filterDecided != scoreDecided {
			t.Errorf("filter answers %d and prioritize %d", filtered.Code, scored.Code)
		}
		if !filterDecided || !scoreDecided {
			return
		}
		wantEveryNodeOnce(t, filtered.Body.Bytes(), scored.Body.Bytes())
	})
}

// wantEveryNodeOnce checks that the two answers are of the same nodes, that
// filter puts each in one place, and that scores are whole numbers from 0 to 10.
func wantEveryNodeOnce(t *testing.T, filtered, scored []byte) {
	t.Helper()
	var result struct {
		Nodes *struct {
			Metadata struct{}
			Items    []map[string]any
		}
		NodeNames                               *[]string
		FailedNodes, FailedAndUnresolvableNodes map[string]string
		Error                                   string
	}
	if err := json.Unmarshal(filtered, &result); err != nil {
		t.Fatalf("filter: %v; body: %s", err, filtered)
	}
	var list []struct {
		Host  string
		Score int64
	}
	decodeStrict(t, scored, &list)
	if result.Error != "" {
		t.Fatalf("Error is %q", result.Error)
	}
	if (result.Nodes == nil) == (result.NodeNames == nil) {
		t.Fatalf("the answer has not one form: %s", filtered)
	}
	got := slices.Concat(slices.Collect(maps.Keys(result.FailedNodes)), slices.Collect(maps.Keys(result.FailedAndUnresolvableNodes)))
	if result.Nodes != nil {
		for _, item := range result.Nodes.Items {
			// Read by its exact names: a node may have a "Metadata" beside its "metadata".
			metadata, _ := item["metadata"].(map[string]any)
			name, _ := metadata["name"].(string)
			got = append(got, name)
		}
	} else {
		got = append(got, *result.NodeNames...)
	}
	var want []string
	for _, entry := range list {
		want = append(want, entry.Host)
		if entry.Score < 0 || entry.Score > 10 {
			t.Errorf("%s scores %d, want 0 to 10", entry.Host, entry.Score)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("filter names %q, prioritize %q", got, want)
	}
}

func FuzzPreemption(f *testing.F) {
	seed(f,
		preemptions([]string{"fit", "web", "db"}, []string{"full", "odd"}, []string{"empty"})["whole"],
		preemptions([]string{"fit", "web"}, []string{"full", "gone"})["meta"],
		`{"pod":{},"NODENAMETOMETAVICTIMS":{"a":{"pods":null,"numpdbviolations":null}}}`,
	)
	s := newService(f, []string{protectPolicy}, inWholeCluster(newCluster(f, node("fit")), withVictims))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, decided := s.fuzzed(t, "/scheduler/preempt", body)
		if !decided {
			return
		}
		// The scheduler panics on a null in the place of any of these objects.
		var answer struct {
			NodeNameToMetaVictims map[string]*struct {
				Pods             []*struct{ UID *string }
				NumPDBViolations *int64
			}
		}
		decodeStrict(t, w.Body.Bytes(), &answer)
		if answer.NodeNameToMetaVictims == nil {
			t.Fatalf("no map: %s", w.Body)
		}
		for name, victims := range answer.NodeNameToMetaVictims {
			if victims == nil || victims.Pods == nil || victims.NumPDBViolations == nil {
				t.Fatalf("node %q: a null in %s", name, w.Body)
			}
			for _, pod := range victims.Pods {
				if pod == nil || pod.UID == nil {
					t.Fatalf("node %q: a null in %s", name, w.Body)
				}
			}
		}
	})
}

func FuzzBinding(f *testing.F) {
	seed(f, bindingOfP, `{"podname":"p","PODNAMESPACE":"d","PodUID":"uid-p","Node":"gone","Later":[{}]}`)
	s := newService(f, []string{placementPolicy}, inWholeCluster(newCluster(f, node("fit"))))
	f.Fuzz(func(t *testing.T, body []byte) {
		w, decided := s.fuzzed(t, "/scheduler/bind", body)
		if !decided {
			return
		}
		var answer struct{ Error string }
		decodeStrict(t, w.Body.Bytes(), &answer)
		if text := unescaped(t, body); answer.Error == "" && (!strings.Contains(text, "uid-p") || !strings.Contains(text, "fit")) {
			t.Errorf("bound by %s", body)
		}
	})
}
