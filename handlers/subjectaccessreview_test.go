package handlers_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/verdict-dev/verdict/handlers"
)

// slowBody evaluates for much longer than any test waits, and stops when told to.
const slowBody = ` count([1 | some x in numbers.range(1, 20000); some y in numbers.range(1, 20000); x * y < 0]) > 0 `

const authorizationPackage = "package kubernetes.authorization\n"

// accessReview is a SubjectAccessReview with the members of its spec.
func accessReview(version, spec string) string {
	return `{"kind":"SubjectAccessReview","apiVersion":"authorization.k8s.io/` + version +
		`","metadata":{"creationTimestamp":null},"spec":{` + spec + `},"status":{"allowed":false}}`
}

const (
	aliceGetsPods  = `"user":"alice","groups":["web"],"resourceAttributes":{"namespace":"shop","verb":"get","version":"v1","resource":"pods","name":"p"}`
	aliceReadsHome = `"user":"alice","groups":["web"],"nonResourceAttributes":{"path":"/home","verb":"get"}`
)

func TestSubjectAccessReviewAnswers(t *testing.T) {
	const (
		allowed   = `{"allowed":true,"reason":"may read"}`
		noOpinion = `{"allowed":false}`
		resource  = `resource := input.spec.resourceAttributes
`
	)
	tests := []struct {
		name    string
		rules   string
		spec    string
		status  string
		outcome string
	}{
		{"allow", `allow contains "may read" if input.spec.resourceAttributes.verb == "get"`, aliceGetsPods, allowed, "allow"},
		{"deny", `deny contains "may not" if input.spec.resourceAttributes.verb == "get"`, aliceGetsPods, `{"allowed":false,"denied":true,"reason":"may not"}`, "deny"},
		{"no opinion", `allow contains "may read" if input.spec.user == "bob"`, aliceGetsPods, noOpinion, "noOpinion"},
		{"no rule at all", `unrelated := 1`, aliceGetsPods, noOpinion, "noOpinion"},
		{"deny wins over allow", `allow contains "may read"
deny contains "may not"`, aliceGetsPods, `{"allowed":false,"denied":true,"reason":"may not"}`, "deny"},
		{"several reasons, sorted", `allow contains "b" if true
allow contains "a" if true`, aliceGetsPods, `{"allowed":true,"reason":"a; b"}`, "allow"},
		{"boolean allow", `default allow := false
allow if input.spec.user == "alice"`, aliceGetsPods, `{"allowed":true,"reason":"kubernetes.authorization.allow"}`, "allow"},
		{"boolean allow that is false", `default allow := false
allow if input.spec.user == "bob"`, aliceGetsPods, noOpinion, "noOpinion"},
		{"boolean deny", `default deny := false
deny if input.spec.user == "alice"
allow contains "may read"`, aliceGetsPods, `{"allowed":false,"denied":true,"reason":"kubernetes.authorization.deny"}`, "deny"},
		{"boolean deny that is false", `default deny := false
deny if input.spec.user == "bob"
allow contains "may read"`, aliceGetsPods, allowed, "allow"},
		{"resource attributes", resource + `allow contains "may read" if {
	resource == {"namespace": "shop", "verb": "get", "version": "v1", "resource": "pods", "name": "p"}
	not input.spec.nonResourceAttributes
}`, aliceGetsPods, allowed, "allow"},
		{"non-resource attributes", `allow contains "may read" if {
	input.spec.nonResourceAttributes == {"path": "/home", "verb": "get"}
	not input.spec.resourceAttributes
}`, aliceReadsHome, allowed, "allow"},
		{
			"null non-resource attributes beside resource ones", `allow contains "may read" if input.spec.resourceAttributes.name == "p"`,
			aliceGetsPods + `,"nonResourceAttributes":null`, allowed, "allow",
		},
		{
			"groups alone name a caller", `allow contains "may read" if "web" in input.spec.groups`,
			`"groups":["web"],"nonResourceAttributes":{"path":"/","verb":"get"}`, allowed, "allow",
		},
		{"uid and extra", `allow contains "may read" if {
	input.spec.uid == "7"
	input.spec.extra == {"example.com/team": ["a", "b"]}
}`, aliceGetsPods + `,"uid":"7","extra":{"example.com/team":["a","b"]}`, allowed, "allow"},
		{
			"escaped HTML arrives as itself", `allow contains "may read" if input.spec.nonResourceAttributes.path == "/a&b<c>"`,
			`"user":"a","nonResourceAttributes":{"path":"/a\u0026b\u003cc\u003e","verb":"get"}`, allowed, "allow",
		},
		{"field selector", resource + `allow contains "may read" if {
	some r in resource.fieldSelector.requirements
	r == {"key": "spec.nodeName", "operator": "In", "values": ["n1"]}
}`, `"user":"a","resourceAttributes":{"verb":"list","resource":"pods","fieldSelector":{"requirements":[{"key":"spec.nodeName","operator":"In","values":["n1"]}]}}`, allowed, "allow"},
		{"label selector without values", resource + `allow contains "may read" if {
	some r in resource.labelSelector.requirements
	r == {"key": "team", "operator": "Exists"}
}`, `"user":"a","resourceAttributes":{"verb":"list","resource":"pods","labelSelector":{"requirements":[{"key":"team","operator":"Exists"}]}}`, allowed, "allow"},
		{"raw field selector says nothing", resource + `allow contains "seen" if resource.fieldSelector.rawSelector
allow contains "may read" if resource.fieldSelector == {}`, `"user":"a","resourceAttributes":{"verb":"list","resource":"pods","fieldSelector":{"rawSelector":"spec.nodeName=n1"}}`, allowed, "allow"},
		{"raw label selector says nothing", resource + `allow contains "seen" if resource.labelSelector.rawSelector
allow contains "may read" if resource.labelSelector == {}`, `"user":"a","resourceAttributes":{"verb":"list","resource":"pods","labelSelector":{"rawSelector":"a in (b"}}`, allowed, "allow"},
		{"the status sent along says nothing", `allow contains "seen" if input.status
allow contains "may read" if input.apiVersion == "authorization.k8s.io/v1"`, aliceGetsPods, allowed, "allow"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t, []string{authorizationPackage + tt.rules})
			w := s.post(t, "/authorize?timeout=30s", accessReview("v1", tt.spec))
			want := `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":` + tt.status + `}`
			if w.Code != http.StatusOK || w.Body.String() != want {
				t.Errorf("answer is %d\n%s\nwant 200\n%s", w.Code, w.Body, want)
			}
			s.wantMetric(t, 1, "verdict_decisions_total", "point", "authorization", "verb", "review", "outcome", tt.outcome)
			s.wantMetric(t, 1, "verdict_decisions_total")
		})
	}
}

// A policy that shows its input in its reason makes the input comparable.
func TestSubjectAccessReviewInputIsTheV1Form(t *testing.T) {
	const showing = authorizationPackage + `allow contains json.marshal(input)
`
	const rest = `"user":"alice","nonResourceAttributes":{"path":"/home","verb":"get"}`
	tests := []struct {
		name, version, spec string
		groups              []any
	}{
		{"v1 groups", "v1", rest + `,"groups":["a","b"]`, []any{"a", "b"}},
		{"v1beta1 group", "v1beta1", rest + `,"group":["a","b"]`, []any{"a", "b"}},
		{"v1beta1 groups is no field of that version", "v1beta1", rest + `,"groups":["system:masters"]`, nil},
		{"v1beta1 group beside groups", "v1beta1", rest + `,"group":["a"],"groups":["system:masters"]`, []any{"a"}},
		{"v1 group is no field of that version", "v1", rest + `,"group":["system:masters"]`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t, []string{showing})
			var review authorizationv1.SubjectAccessReview
			s.ask(t, "/authorize", accessReview(tt.version, tt.spec), &review)
			if want := "authorization.k8s.io/" + tt.version; review.APIVersion != want || review.Kind != "SubjectAccessReview" {
				t.Errorf("answered as %s %s, want %s", review.APIVersion, review.Kind, want)
			}
			var input struct {
				APIVersion string         `json:"apiVersion"`
				Kind       string         `json:"kind"`
				Spec       map[string]any `json:"spec"`
				Status     any            `json:"status"`
			}
			if err := json.Unmarshal([]byte(review.Status.Reason), &input); err != nil {
				t.Fatalf("the policy's copy of its input: %v; status: %+v", err, review.Status)
			}
			if input.APIVersion != "authorization.k8s.io/v1" || input.Kind != "SubjectAccessReview" {
				t.Errorf("input is %s %s, want the v1 form", input.APIVersion, input.Kind)
			}
			if input.Status != nil {
				t.Errorf("input has the caller's status: %v", input.Status)
			}
			groups, _ := input.Spec["groups"].([]any)
			if !reflect.DeepEqual(groups, tt.groups) {
				t.Errorf("input.spec.groups is %v, want %v", groups, tt.groups)
			}
			if input.Spec["user"] != "alice" {
				t.Errorf("input.spec.user is %v", input.Spec["user"])
			}
		})
	}
}

func TestSubjectAccessReviewPolicyError(t *testing.T) {
	const (
		builtin  = `to_number(input.spec.user) > 0`
		location = "policies/a.rego:2:"
	)
	tests := []struct {
		name, rules string
		onError     handlers.OnError
		denied      bool
	}{
		{"deny fails, onError deny", `deny contains "odd" if ` + builtin + "\nallow contains \"all\"", handlers.OnErrorDeny, true},
		{"deny fails, onError noOpinion", `deny contains "odd" if ` + builtin + "\nallow contains \"all\"", handlers.OnErrorNoOpinion, false},
		{"allow fails, onError deny", `allow contains "odd" if ` + builtin, handlers.OnErrorDeny, true},
		{"allow fails, onError noOpinion", `allow contains "odd" if ` + builtin, handlers.OnErrorNoOpinion, false},
		{"an unset onError denies", `allow contains "odd" if ` + builtin, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t, []string{authorizationPackage + tt.rules}, func(o *handlers.Options) { o.OnError = tt.onError })
			var review authorizationv1.SubjectAccessReview
			s.ask(t, "/authorize", accessReview("v1", aliceGetsPods), &review)
			status := review.Status
			if status.Allowed || status.Denied != tt.denied {
				t.Errorf("allowed %v and denied %v, want false and %v", status.Allowed, status.Denied, tt.denied)
			}
			if !strings.Contains(status.EvaluationError, location) || !strings.Contains(status.EvaluationError, "eval_builtin_error") {
				t.Errorf("evaluationError is %q, want %s and the cause", status.EvaluationError, location)
			}
			if tt.denied != strings.Contains(status.Reason, location) {
				t.Errorf("reason is %q: it holds the cause of a denial, and nothing otherwise", status.Reason)
			}
			s.wantMetric(t, 1, "verdict_policy_errors_total", "point", "authorization", "verb", "review", "kind", "policy")
			s.wantMetric(t, 1, "verdict_decisions_total", "point", "authorization", "outcome", "error")
			if !strings.Contains(s.log.String(), location) {
				t.Errorf("the log does not say where the policy failed: %s", s.log)
			}
		})
	}
}

func TestSubjectAccessReviewAReasonThatIsNoString(t *testing.T) {
	s := newService(t, []string{authorizationPackage + `allow contains input.spec.resourceAttributes`})
	var review authorizationv1.SubjectAccessReview
	s.ask(t, "/authorize", accessReview("v1", aliceGetsPods), &review)
	if review.Status.Allowed || !review.Status.Denied || !strings.Contains(review.Status.EvaluationError, "a reason is a string") {
		t.Errorf("status is %+v, want a denial that says that a reason is a string", review.Status)
	}
}

func TestSubjectAccessReviewTimeout(t *testing.T) {
	t.Parallel() // it waits
	const patience = 5 * time.Second
	slow := []string{authorizationPackage + "allow contains \"slow\" if {" + slowBody + "}\n"}
	tests := []struct {
		name          string
		query         string
		decision      time.Duration
		onUnavailable handlers.OnUnavailable
	}{
		{"the caller's timeout, 503", "?timeout=50ms", time.Minute, handlers.OnUnavailable503},
		{"the caller's timeout, deny", "?timeout=50ms", time.Minute, handlers.OnUnavailableDeny},
		{"our own limit is shorter than the caller's", "?timeout=30s", 50 * time.Millisecond, handlers.OnUnavailable503},
		{"our own limit without a caller's", "", 50 * time.Millisecond, handlers.OnUnavailableDeny},
		{"an unset onUnavailable is 503", "?timeout=50ms", time.Minute, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(t, slow, func(o *handlers.Options) {
				o.DecisionTimeout, o.OnUnavailable = tt.decision, tt.onUnavailable
			})
			began := time.Now()
			w := s.post(t, "/authorize"+tt.query, accessReview("v1", aliceGetsPods))
			if took := time.Since(began); took > patience {
				t.Errorf("the answer took %v, long after the deadline", took)
			}
			if tt.onUnavailable == handlers.OnUnavailableDeny {
				var review authorizationv1.SubjectAccessReview
				decodeStrict(t, w.Body.Bytes(), &review)
				if w.Code != http.StatusOK || review.Status.Allowed || !review.Status.Denied {
					t.Errorf("answer is %d %+v, want a denial", w.Code, review.Status)
				}
				if review.Status.Reason == "" || review.Status.EvaluationError == "" {
					t.Errorf("the denial gives no cause: %+v", review.Status)
				}
			} else {
				wantStatus(t, w, http.StatusServiceUnavailable, "no time left to decide")
			}
			s.wantMetric(t, 1, "verdict_decisions_total", "point", "authorization", "outcome", "unavailable")
			s.wantMetric(t, 1, "verdict_policy_errors_total", "point", "authorization", "verb", "review", "kind", "timeout")
		})
	}
}

func TestSubjectAccessReviewWithoutARevision(t *testing.T) {
	for _, onUnavailable := range []handlers.OnUnavailable{handlers.OnUnavailable503, handlers.OnUnavailableDeny} {
		t.Run(string(onUnavailable), func(t *testing.T) {
			s := newService(t, nil, func(o *handlers.Options) { o.OnUnavailable = onUnavailable })
			wantStatus(t, s.post(t, "/authorize", accessReview("v1", aliceGetsPods)), http.StatusServiceUnavailable, "no policy revision loaded yet")
			s.wantMetric(t, 0, "verdict_decisions_total")
		})
	}
}

func TestSubjectAccessReviewRefusesSpecs(t *testing.T) {
	const resource = `"user":"a","resourceAttributes":{"verb":"list","resource":"pods",`
	tests := []struct {
		name, spec, message string
	}{
		{"a user that is a list, of nobody else", `"user":[],"nonResourceAttributes":{"path":"/","verb":"get"}`, "spec.user: must be a string"},
		{"neither kind of attributes", `"user":"a"`, "spec.resourceAttributes"},
		{"both kinds of attributes", aliceGetsPods + `,"nonResourceAttributes":{"path":"/","verb":"get"}`, "spec.resourceAttributes"},
		{"user is a number", `"user":-1,"nonResourceAttributes":{"path":"/","verb":"get"}`, "spec.user: must be a string, not a number"},
		{"uid is an object", aliceGetsPods + `,"uid":{}`, "spec.uid: must be a string"},
		{"groups is a string", `"user":"a","groups":"web","nonResourceAttributes":{"path":"/","verb":"get"}`, "spec.groups: must be a list"},
		{"a group is null", `"user":"a","groups":[null],"nonResourceAttributes":{"path":"/","verb":"get"}`, "spec.groups[0]: must be a string, not null"},
		{"extra is a list", aliceGetsPods + `,"extra":[]`, "spec.extra: must be an object"},
		{"an extra is a string", aliceGetsPods + `,"extra":{"team":"a"}`, "spec.extra.team: must be a list"},
		{"resource attributes are a list", `"user":"a","resourceAttributes":[]`, "spec.resourceAttributes: must be an object"},
		{"verb is a boolean", `"user":"a","nonResourceAttributes":{"path":"/","verb":true}`, "spec.nonResourceAttributes.verb: must be a string"},
		{"name is a number", resource + `"name":7}`, "spec.resourceAttributes.name: must be a string"},
		{"selector is a string", resource + `"fieldSelector":"a=b"}`, "spec.resourceAttributes.fieldSelector: must be an object"},
		{"requirements are an object", resource + `"labelSelector":{"requirements":{}}}`, "spec.resourceAttributes.labelSelector.requirements: must be a list"},
		{"a requirement is a string", resource + `"labelSelector":{"requirements":["a=b"]}}`, "spec.resourceAttributes.labelSelector.requirements[0]: must be an object"},
		{"an operator is a list", resource + `"labelSelector":{"requirements":[{"key":"a","operator":[]}]}}`, "spec.resourceAttributes.labelSelector.requirements[0].operator: must be a string"},
		{"values are a string", resource + `"fieldSelector":{"requirements":[{"key":"a","operator":"In","values":"b"}]}}`, "spec.resourceAttributes.fieldSelector.requirements[0].values: must be a list"},
	}
	s := newService(t, []string{authorizationPackage + `allow contains "all"`})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantStatus(t, s.post(t, "/authorize", accessReview("v1", tt.spec)), http.StatusBadRequest, tt.message)
		})
	}
	s.wantMetric(t, 0, "verdict_decisions_total")
}

// TestSubjectAccessReviewAboutNobody is what apiserver's own client tests send.
func TestSubjectAccessReviewAboutNobody(t *testing.T) {
	s := newService(t, []string{authorizationPackage + `allow contains "public" if input.spec.nonResourceAttributes.path == "/public"

deny contains "nobody may get secrets" if {
	not input.spec.user
	input.spec.resourceAttributes.resource == "secrets"
}
`})
	for name, who := range map[string]string{
		"no member": "", "empty": `"user":"",`, "null": `"user":null,"groups":null,`, "no groups": `"groups":[],`, "with a uid": `"uid":"7",`, "with extra": `"extra":{"a":["b"]},`,
	} {
		for _, version := range []string{"v1", "v1beta1"} {
			t.Run(name+" in "+version, func(t *testing.T) {
				var review authorizationv1.SubjectAccessReview
				s.ask(t, "/authorize", accessReview(version, who+`"nonResourceAttributes":{"path":"/public","verb":"get"}`), &review)
				if !review.Status.Allowed || review.Status.Denied {
					t.Errorf("got %+v, want it allowed", review.Status)
				}
				review = authorizationv1.SubjectAccessReview{}
				s.ask(t, "/authorize", accessReview(version, who+`"nonResourceAttributes":{}`), &review)
				if review.Status.Allowed || review.Status.Denied || review.Status.EvaluationError != "" {
					t.Errorf("got %+v, want no opinion", review.Status)
				}
			})
		}
	}
}
