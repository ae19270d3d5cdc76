package e2e

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook/metrics"
)

func webhookAuthorizer(t *testing.T, version string, onError authorizer.Decision) (*webhook.WebhookAuthorizer, *atomic.Int64) {
	t.Helper()
	config, count := webhookConfig(t, "authorization-webhook.kubeconfig.yaml")
	client, err := webhook.New(config, version, time.Minute, time.Minute, quick, onError, nil, "verdict",
		metrics.NoopAuthorizerMetrics{}, authorizationcel.NewDefaultCompiler())
	must(t, err)
	return client, count
}

func attributes(change func(*authorizer.AttributesRecord)) authorizer.AttributesRecord {
	record := authorizer.AttributesRecord{
		User:            &user.DefaultInfo{Name: "erin", Groups: []string{"payments-engineers"}},
		Verb:            "get",
		Namespace:       "payments",
		APIVersion:      "v1",
		Resource:        "pods",
		ResourceRequest: true,
	}
	change(&record)
	return record
}

// TestWebhookAuthorizer asks with the client that the apiserver asks with.
func TestWebhookAuthorizer(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	selector := func(field, label string) func(*authorizer.AttributesRecord) {
		return func(record *authorizer.AttributesRecord) {
			record.Verb, record.Namespace = "list", "search"
			fieldSelector, err := fields.ParseSelector(field)
			must(t, err)
			record.FieldSelectorRequirements = fieldSelector.Requirements()
			labelSelector, err := labels.Parse(label)
			must(t, err)
			record.LabelSelectorRequirements, _ = labelSelector.Requirements()
		}
	}
	for _, version := range reviewVersions {
		t.Run(version, func(t *testing.T) {
			for _, test := range []struct {
				name     string
				change   func(*authorizer.AttributesRecord)
				decision authorizer.Decision
				reason   string
			}{
				{"allow", func(*authorizer.AttributesRecord) {}, authorizer.DecisionAllow, "payments engineers work in payments"},
				{"deny", func(r *authorizer.AttributesRecord) { r.Resource = "secrets" }, authorizer.DecisionDeny, "secrets of payments are sealed"},
				{"no opinion", func(r *authorizer.AttributesRecord) { r.Resource = "services" }, authorizer.DecisionNoOpinion, ""},
				{"no group, no opinion", func(r *authorizer.AttributesRecord) { r.User = &user.DefaultInfo{Name: "erin"} }, authorizer.DecisionNoOpinion, ""},
				{"nobody, of whom no rule speaks", func(r *authorizer.AttributesRecord) { r.User = nil }, authorizer.DecisionNoOpinion, ""},
				{"an empty user", func(r *authorizer.AttributesRecord) { r.User = &user.DefaultInfo{} }, authorizer.DecisionNoOpinion, ""},
				{"nothing at all", func(r *authorizer.AttributesRecord) { *r = authorizer.AttributesRecord{} }, authorizer.DecisionNoOpinion, ""},
				{"uid and extra", func(r *authorizer.AttributesRecord) {
					r.Verb, r.Namespace = "delete", "search"
					r.User = &user.DefaultInfo{Name: "alice", UID: "u-alice", Extra: map[string][]string{"example.com/on-call": {"primary"}}}
				}, authorizer.DecisionAllow, "the on-call engineer restarts anything"},
				{"a field selector that allows", selector("spec.nodeName=node-1", ""), authorizer.DecisionAllow, "pods of node-1 may be listed"},
				{"a field selector that does not", selector("spec.nodeName!=node-1", ""), authorizer.DecisionNoOpinion, ""},
				{"a label selector beside it", selector("spec.nodeName=node-1", "app in (a,b),!old"), authorizer.DecisionAllow, "pods of node-1 may be listed"},
				{"a path that is allowed", func(r *authorizer.AttributesRecord) {
					*r = authorizer.AttributesRecord{User: r.User, Verb: "get", Path: "/metrics"}
				}, authorizer.DecisionAllow, "payments engineers read metrics"},
				{"a path that is denied", func(r *authorizer.AttributesRecord) {
					*r = authorizer.AttributesRecord{User: r.User, Verb: "put", Path: "/debug/flags/v"}
				}, authorizer.DecisionDeny, "the log level is not for payments"},
				{"a path without an opinion", func(r *authorizer.AttributesRecord) {
					*r = authorizer.AttributesRecord{User: r.User, Verb: "get", Path: "/version"}
				}, authorizer.DecisionNoOpinion, ""},
				{"a policy error denies and says so", func(r *authorizer.AttributesRecord) {
					r.User = &user.DefaultInfo{Name: "erin", Groups: []string{"payments-engineers"}, Extra: map[string][]string{"example.com/quota": {"many"}}}
				}, authorizer.DecisionDeny, "authorization.rego"},
				{"characters that JSON escapes", func(r *authorizer.AttributesRecord) { r.Name = "a<b>&c\u2028" }, authorizer.DecisionAllow, "payments engineers work in payments"},
			} {
				t.Run(test.name, func(t *testing.T) {
					client, count := webhookAuthorizer(t, version, authorizer.DecisionNoOpinion)
					decision, reason, err := client.Authorize(t.Context(), attributes(test.change))
					if err != nil {
						t.Fatalf("authorize: %v", err)
					}
					if decision != test.decision {
						t.Errorf("decision %v (%s), want %v", decision, reason, test.decision)
					}
					if !strings.Contains(reason, test.reason) || (reason != "" && test.reason == "") {
						t.Errorf("reason %q, want %q", reason, test.reason)
					}
					if made := count.Load(); made != 1 {
						t.Errorf("%d calls were made, want 1", made)
					}
				})
			}
		})
	}
}

// A fault is one call, is never kept, and leaves the decision to the
// apiserver's failure policy.
func TestWebhookAuthorizerFaults(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	t.Run("larger than verdict reads", func(t *testing.T) {
		client, count := webhookAuthorizer(t, "v1", authorizer.DecisionDeny)
		huge := attributes(func(r *authorizer.AttributesRecord) { r.Name = strings.Repeat("x", 2<<20) })
		faulty(t, client, count, huge, 1)
	})
	t.Run("verdict is away, then back", func(t *testing.T) {
		client, count := webhookAuthorizer(t, "v1", authorizer.DecisionDeny)
		shared.KillVerdict()
		ask := attributes(func(*authorizer.AttributesRecord) {})
		faulty(t, client, count, ask, 1)
		faulty(t, client, count, ask, 2)
		must(t, shared.StartVerdict(t.Context()))
		must(t, shared.WaitVerdictReady(t.Context()))
		decision, reason, err := client.Authorize(t.Context(), ask)
		if err != nil || decision != authorizer.DecisionAllow {
			t.Errorf("once it is back: decision %v (%s), error %v, want allow", decision, reason, err)
		}
	})
	t.Run("answers are kept, 1 call each", func(t *testing.T) {
		client, count := webhookAuthorizer(t, "v1", authorizer.DecisionDeny)
		for range 3 {
			for _, resource := range []string{"pods", "secrets", "services"} {
				_, _, err := client.Authorize(t.Context(), attributes(func(r *authorizer.AttributesRecord) { r.Resource = resource }))
				must(t, err)
			}
		}
		if made := count.Load(); made != 3 {
			t.Errorf("%d calls were made, want 3", made)
		}
	})
}

func faulty(t *testing.T, client authorizer.Authorizer, count *atomic.Int64, ask authorizer.Attributes, calls int64) {
	t.Helper()
	decision, _, err := client.Authorize(t.Context(), ask)
	if err == nil || decision != authorizer.DecisionDeny {
		t.Errorf("decision %v, error %v, want an error and the failure policy's deny", decision, err)
	}
	if made := count.Load(); made != calls {
		t.Errorf("%d calls were made so far, want %d", made, calls)
	}
}
