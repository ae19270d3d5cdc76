package policy

import (
	"fmt"
	"slices"
	"testing"

	"github.com/verdict-dev/verdict/policy/identity"
)

func TestIsKubernetesKey(t *testing.T) {
	for key, want := range map[string]bool{
		"kubernetes.io": true, "k8s.io": true, "kubernetes.io/a": true, "k8s.io/a": true,
		"authentication.kubernetes.io/pod-name": true, "a.b.k8s.io/c": true, "a.b.k8s.io": true,
		"Authentication.Kubernetes.IO/node-name": true, "kubernetes.io./a": true, "kubernetes.io/": true,
		"": false, "a": false, "example.com/kubernetes.io": false, "example.com/a": false,
		"notkubernetes.io/a": false, "mak8s.io/a": false, "kubernetes.io.example.com/a": false, "kubernetes.iox/a": false,
		"kubernetes/io": false, "scopes": false,
	} {
		if got := IsKubernetesKey(key); got != want {
			t.Errorf("%q: %v, want %v", key, got, want)
		}
	}
}

func TestAuthenticateKeysOfKubernetes(t *testing.T) {
	const pod, id = "authentication.kubernetes.io/pod-name", "authentication.kubernetes.io/credential-id"
	for _, c := range []struct {
		name, extra string
		allowed     []string
		refused     []string // keys, sorted
	}{
		{"none allowed", fmt.Sprintf(`{%q: ["a"], %q: ["b"], "example.com/c": ["d"]}`, pod, id), nil, []string{id, pod}},
		{"one allowed", fmt.Sprintf(`{%q: ["a"], %q: ["b"]}`, pod, id), []string{id}, []string{pod}},
		{"a prefix", fmt.Sprintf(`{%q: ["a"], %q: ["b"], "k8s.io/x": ["c"]}`, pod, id), []string{"authentication.kubernetes.io/*"}, []string{"k8s.io/x"}},
		{"a prefix of another key", fmt.Sprintf(`{%q: ["a"]}`, pod), []string{"authentication.kubernetes.io/credential*"}, []string{pod}},
		{"the domain alone", `{"kubernetes.io": ["a"]}`, []string{"kubernetes.io/*"}, []string{"kubernetes.io"}},
		{"in other case", `{"Kubernetes.io/x": ["a"]}`, []string{"kubernetes.io/x"}, []string{"Kubernetes.io/x"}},
		{"without values it is left out", fmt.Sprintf(`{%q: []}`, pod), nil, nil},
		{"of others", `{"example.com/kubernetes.io": ["a"], "scopes": ["b"]}`, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := authn + `user := {"username": "a", "extra": ` + c.extra + `}`
			got, err := compile(t, Options{AllowedExtraKeys: c.allowed}, source).Authenticate(t.Context(), object(t, `{}`), identity.Identity{Subject: "a"})
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, key := range c.refused {
				want = append(want, fmt.Sprintf("the key %q in extra is Kubernetes' own: list it in authentication.allowedExtraKeys to give it out", key))
			}
			if !slices.Equal(got.Reasons, want) || (got.User == nil) != (want != nil) {
				t.Errorf("got %v and %v, want %v", got.User, got.Reasons, want)
			}
		})
	}
}

func TestAuthenticateWithoutASubject(t *testing.T) {
	r := compile(t, Options{}, authn+"user.username := input.identity.subject\n\nuser.uid := \"none\" if not input.identity.subject")
	got, err := r.Authenticate(t.Context(), object(t, `{}`), identity.Identity{Source: "a"})
	if err != nil || got.User != nil {
		t.Errorf("got %v, %v, want nobody", got.User, err)
	}
}
