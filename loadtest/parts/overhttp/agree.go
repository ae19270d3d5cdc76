package overhttp

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// agree compares verdict's answer at path with the decision of OPA's server. It
// returns how often each outcome came up, and an error where the two differ.
func agree(path string, answer, decision []byte) (map[string]int, error) {
	var result struct {
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(decision, &result); err != nil {
		return nil, fmt.Errorf("reading OPA's decision: %w", err)
	}
	if len(result.Result) == 0 {
		result.Result = []byte("null") // undefined
	}
	compare := map[string]func(answer, decision []byte) (map[string]int, error){
		"/authenticate":         compareTokenReview,
		"/authorize":            compareAccessReview,
		"/scheduler/filter":     compareFilter,
		"/scheduler/prioritize": comparePrioritize,
	}[path]
	if compare == nil {
		return nil, fmt.Errorf("nothing compares answers of %s", path)
	}
	return compare(answer, result.Result)
}

// decode reads both documents.
func decode(answer []byte, into any, decision []byte, other any) error {
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("reading verdict's answer: %w", err)
	}
	if err := json.Unmarshal(decision, other); err != nil {
		return fmt.Errorf("reading OPA's decision: %w", err)
	}
	return nil
}

func disagree(own, other any) error {
	return fmt.Errorf("verdict says %v where OPA says %v", own, other)
}

func compareTokenReview(answer, decision []byte) (map[string]int, error) {
	var own authenticationv1.TokenReview
	var other struct {
		User struct {
			Username string   `json:"username"`
			Groups   []string `json:"groups"`
		} `json:"user"`
		Deny []string `json:"deny"`
	}
	if err := decode(answer, &own, decision, &other); err != nil {
		return nil, err
	}
	username := other.User.Username
	if len(other.Deny) > 0 {
		username = ""
	}
	if own.Status.User.Username != username || own.Status.Authenticated != (username != "") || own.Status.Error != "" {
		return nil, disagree(own.Status, other)
	}
	if username == "" {
		return map[string]int{"not authenticated": 1}, nil
	}
	if len(own.Status.User.Groups) != len(other.User.Groups) {
		return nil, disagree(own.Status, other)
	}
	return map[string]int{"authenticated": 1}, nil
}

func compareAccessReview(answer, decision []byte) (map[string]int, error) {
	var own authorizationv1.SubjectAccessReview
	var other struct {
		Allow []string `json:"allow"`
		Deny  []string `json:"deny"`
	}
	if err := decode(answer, &own, decision, &other); err != nil {
		return nil, err
	}
	outcome, reasons := "no opinion", []string(nil)
	switch {
	case len(other.Deny) > 0:
		outcome, reasons = "denied", other.Deny
	case len(other.Allow) > 0:
		outcome, reasons = "allowed", other.Allow
	}
	if own.Status.Denied != (outcome == "denied") || own.Status.Allowed != (outcome == "allowed") || own.Status.EvaluationError != "" {
		return nil, disagree(own.Status, other)
	}
	for _, reason := range reasons {
		if !strings.Contains(own.Status.Reason, reason) {
			return nil, disagree(own.Status, other)
		}
	}
	return map[string]int{outcome: 1}, nil
}

func compareFilter(answer, decision []byte) (map[string]int, error) {
	var own extenderv1.ExtenderFilterResult
	var other map[string]struct {
		Reject       []string `json:"reject"`
		Unresolvable []string `json:"unresolvable"`
	}
	if err := decode(answer, &own, decision, &other); err != nil {
		return nil, err
	}
	if own.Error != "" || own.Nodes == nil {
		return nil, fmt.Errorf("verdict answered the error %q, or no nodes", own.Error)
	}
	accepted := map[string]bool{}
	for i := range own.Nodes.Items {
		accepted[own.Nodes.Items[i].Name] = true
	}
	counts := map[string]int{}
	for name, node := range other {
		_, failed := own.FailedNodes[name]
		_, unresolvable := own.FailedAndUnresolvableNodes[name]
		outcome := "accepted"
		switch {
		case len(node.Unresolvable) > 0:
			outcome = "unresolvable"
		case len(node.Reject) > 0:
			outcome = "rejected"
		}
		if accepted[name] != (outcome == "accepted") || failed != (outcome == "rejected") || unresolvable != (outcome == "unresolvable") {
			return nil, fmt.Errorf("node %s: OPA says %s, verdict otherwise", name, outcome)
		}
		counts[outcome]++
	}
	if total := len(own.Nodes.Items) + len(own.FailedNodes) + len(own.FailedAndUnresolvableNodes); total != len(other) {
		return nil, disagree(fmt.Sprint(total, " nodes"), len(other))
	}
	return counts, nil
}

func comparePrioritize(answer, decision []byte) (map[string]int, error) {
	var own extenderv1.HostPriorityList
	var other map[string]map[string]float64
	if err := decode(answer, &own, decision, &other); err != nil {
		return nil, err
	}
	if len(own) != len(other) {
		return nil, disagree(fmt.Sprint(len(own), " nodes"), len(other))
	}
	counts := map[string]int{}
	for _, host := range own {
		sum := 0.0
		for _, score := range other[host.Host] {
			sum += score
		}
		sum = min(max(sum, 0), 10)
		if math.Abs(sum-float64(host.Score)) > 0.5 {
			return nil, fmt.Errorf("node %s: %w", host.Host, disagree(host.Score, sum))
		}
		if host.Score == 0 {
			counts["zero"]++
		} else {
			counts["scored"]++
		}
	}
	return counts, nil
}
