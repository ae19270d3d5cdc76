package handlers_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/handlers"
)

const bindingOfP = `{"PodName":"p","PodNamespace":"default","PodUID":"uid-p","Node":"fit"}`

func TestBind(t *testing.T) {
	full := "package kubernetes.scheduling\n\ndeny contains \"the device is taken\"\n\ndeny contains \"<full>\"\n"
	failing := "package kubernetes.scheduling\n\ndeny contains \"x\" if to_number(\"x\") > 1\n"
	cluster := func(change ...func(*wholeCluster)) func(*handlers.Options) {
		return inWholeCluster(newCluster(t, node("fit")), change...)
	}
	for name, test := range map[string]struct {
		policy, path, body, outcome, want string
		change                            func(*handlers.Options)
	}{
		"a free node":         {placementPolicy, "", bindingOfP, "bound", "", cluster()},
		"keys of other cases": {placementPolicy, "", `{"podName":"p","podnamespace":"default","PODUID":"uid-p","node":"fit"}`, "bound", "", cluster()},
		"bound before":        {full, "", bindingOfP, "boundBefore", "", cluster(func(c *wholeCluster) { c.bound["uid-p"] = "fit" })},
		"bound elsewhere":     {full, "", bindingOfP, "error", "bound to another node, other", cluster(func(c *wholeCluster) { c.bound["uid-p"] = "other" })},
		"denied":              {full, "", bindingOfP, "denied", "<full>; the device is taken", cluster()},
		"a policy error":      {failing, "", bindingOfP, "error", "policy error: policies/a.rego:3:", cluster()},
		"another UID":         {placementPolicy, "", strings.ReplaceAll(bindingOfP, "uid-p", "uid-q"), "error", "no such pod", cluster()},
		"an unknown node":     {placementPolicy, "", strings.ReplaceAll(bindingOfP, "fit", "gone"), "error", "node not yet known to verdict", cluster()},
		"an inactive replica": {placementPolicy, "", bindingOfP, "error", "verdict-1 binds", cluster(func(c *wholeCluster) { c.active = errors.New("verdict-1 binds") })},
		"a stale cluster":     {placementPolicy, "", bindingOfP, "error", "an hour ago", cluster(func(c *wholeCluster) { c.stale = errors.New("an hour ago") })},
		"an API server's no":  {placementPolicy, "", bindingOfP, "error", "the pod is being deleted", cluster(func(c *wholeCluster) { c.bind = errors.New("the pod is being deleted") })},
		"an unknown profile":  {placementPolicy, "/gpu", bindingOfP, "error", `there is no profile "gpu"`, cluster()},
		"no cluster":          {placementPolicy, "", bindingOfP, "error", "set scheduling.bind.enabled", func(*handlers.Options) {}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, []string{test.policy}, test.change)
			w := s.post(t, "/scheduler"+test.path+"/bind", test.body)
			var answer struct{ Error string }
			decodeStrict(t, w.Body.Bytes(), &answer)
			if w.Code != http.StatusOK || !strings.Contains(answer.Error, test.want) || (answer.Error == "") != (test.want == "") {
				t.Errorf("answer is %d %s, want 200 and %q", w.Code, w.Body, test.want)
			}
			// The next connection may lead to the replica that binds.
			if closes := w.Header().Get("Connection") == "close"; closes != (name == "an inactive replica") {
				t.Errorf("the connection is to be closed: %v", closes)
			}
			s.wantMetric(t, 1, "verdict_decisions_total", "point", "scheduling", "verb", "bind", "outcome", test.outcome)
			if logged := strings.Contains(s.log.String(), "no decision"); logged != (test.outcome == "error") {
				t.Errorf("logged is %v: %s", logged, s.log)
			}
		})
	}
	t.Run("before the cluster was read", func(t *testing.T) {
		c := newCluster(t)
		c.ready = errors.New("listing")
		s := newService(t, []string{placementPolicy}, inWholeCluster(c))
		wantStatus(t, s.post(t, "/scheduler/bind", bindingOfP), http.StatusServiceUnavailable, "have not been read yet")
	})
	t.Run("without a revision", func(t *testing.T) {
		s := newService(t, nil, cluster())
		wantStatus(t, s.post(t, "/scheduler/bind", bindingOfP), http.StatusServiceUnavailable, "no policy revision")
	})
}
