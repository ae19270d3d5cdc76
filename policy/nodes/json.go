package nodes

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/verdict-dev/verdict/policy/document"
)

// stateJSON is input.state, of which free and quantities follow from the rest.
type stateJSON struct {
	Allocatable map[string]int64  `json:"allocatable"`
	Requested   map[string]int64  `json:"requested"`
	Free        json.RawMessage   `json:"free"`
	Quantities  json.RawMessage   `json:"quantities"`
	Pods        []json.RawMessage `json:"pods"`
}

// podJSON is an item of input.state.pods.
type podJSON struct {
	Namespace   string            `json:"namespace"`
	Name        string            `json:"name"`
	UID         string            `json:"uid"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Priority    int32             `json:"priority"`
	Owner       struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"owner"`
	Requests map[string]int64 `json:"requests"`
	Created  *time.Time       `json:"created"`
	Assumed  bool             `json:"assumed"`
}

// ParseState reads what policies see as input.state. whole is false where it
// says what is free and not of what, so that it is all there is to know.
func ParseState(text []byte) (state *State, whole bool, err error) {
	var from stateJSON
	if err := json.Unmarshal(text, &from); err != nil {
		return nil, false, notA("a state", err)
	}
	out := &State{Allocatable: from.Allocatable, Requested: from.Requested}
	for i, text := range from.Pods {
		pod, err := ParsePod(text)
		if err != nil {
			return nil, false, fmt.Errorf("pods[%d]: %w", i, err)
		}
		out.Pods = append(out.Pods, pod)
	}
	return out, from.Allocatable != nil || from.Free == nil && from.Quantities == nil, nil
}

// ParsePod reads an item of input.state.pods.
func ParsePod(text []byte) (*Pod, error) {
	var from podJSON
	if err := json.Unmarshal(text, &from); err != nil {
		return nil, notA("a pod of a node's state", err)
	}
	out := &Pod{
		Namespace: from.Namespace, Name: from.Name, UID: from.UID, Labels: from.Labels, Annotations: from.Annotations,
		Priority: from.Priority, OwnerKind: from.Owner.Kind, OwnerName: from.Owner.Name, Requests: from.Requests, Assumed: from.Assumed,
	}
	if from.Created != nil {
		out.Created = *from.Created
	}
	return out, nil
}

func notA(what string, err error) error {
	var field *json.UnmarshalTypeError
	if errors.As(err, &field) && field.Field != "" {
		return fmt.Errorf("%s: must not be a JSON %s", field.Field, field.Value)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// JSON is the whole state as policies see it; null without one.
func (s *State) JSON() ([]byte, error) { return jsonOf(s.Project(document.All())) }

// JSON is all of the pod as policies see it.
func (p *Pod) JSON() ([]byte, error) { return jsonOf(p.Project(document.All())) }

func jsonOf(value ast.Value) ([]byte, error) {
	if value == nil {
		return []byte("null"), nil
	}
	plain, err := ast.JSON(value)
	if err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}
