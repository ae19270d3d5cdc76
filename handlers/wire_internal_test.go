package handlers

import (
	"encoding/json"
	"reflect"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
)

// odd is what needs care in JSON.
const odd = "a \"quoted\" <name> & \\ \u2028 ünï\n"

// Answers are written without reflection, and have to read as Kubernetes' own
// types do that are written with it.
func TestAnswersReadAsKubernetesWritesThem(t *testing.T) {
	for name, status := range map[string]authenticationv1.TokenReviewStatus{
		"nobody":  {},
		"a fault": {Error: odd},
		"a user":  {Authenticated: true, User: authenticationv1.UserInfo{Username: "alice"}},
		"a whole user": {
			Authenticated: true,
			User: authenticationv1.UserInfo{
				Username: odd, UID: odd, Groups: []string{"b", odd, ""},
				Extra: map[string]authenticationv1.ExtraValue{"b": {odd, "c"}, odd: {"x"}, "none": {}},
			},
			Audiences: []string{"api", odd},
		},
	} {
		t.Run("token, "+name, func(t *testing.T) {
			var got, want authenticationv1.TokenReview
			want.APIVersion, want.Kind, want.Status = "authentication.k8s.io/v1", "TokenReview", status
			reads(t, appendTokenReview(nil, want.APIVersion, status), &got)
			rewritten(t, &want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
	for name, status := range map[string]authorizationv1.SubjectAccessReviewStatus{
		"no opinion": {},
		"allowed":    {Allowed: true, Reason: odd},
		"denied":     {Denied: true, Reason: "r", EvaluationError: odd},
	} {
		t.Run("access, "+name, func(t *testing.T) {
			var got, want authorizationv1.SubjectAccessReview
			want.APIVersion, want.Kind, want.Status = "authorization.k8s.io/v1beta1", "SubjectAccessReview", status
			reads(t, appendAccessReview(nil, want.APIVersion, status), &got)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func reads(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// rewritten is what is left of v once it was written and read.
func rewritten(t *testing.T, v *authenticationv1.TokenReview) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	*v = authenticationv1.TokenReview{}
	reads(t, text, v)
}
