package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/verdict-dev/verdict/policy/nodes"
)

// everything is read of pods that are few: victims, and assumed ones.
var everything = nodes.Reads{
	State: true, Requested: true, Pods: true, Labels: true, Annotations: true, Owners: true, Requests: true,
}

// covers tells whether a holds whatever b asks for.
func covers(a, b nodes.Reads) bool {
	has := func(a, b bool) bool { return a || !b }
	return has(a.State, b.State) && has(a.Requested, b.Requested) && has(a.Pods, b.Pods) && has(a.Labels, b.Labels) &&
		has(a.Annotations, b.Annotations) && has(a.Owners, b.Owners) && has(a.Requests, b.Requests)
}

// PodStateReader returns what turns a v1 Pod, as JSON, into all that policies may
// know of it. allowed are the annotations they may see: names, and prefixes that
// end in "/".
func PodStateReader(allowed []string) func(text []byte) (*nodes.Pod, error) {
	annotations := newAnnotationList(allowed)
	return func(text []byte) (*nodes.Pod, error) {
		var pod corev1.Pod
		if err := json.Unmarshal(text, &pod); err != nil {
			return nil, fmt.Errorf("a v1 Pod: %w", err)
		}
		return podState(&pod, everything, annotations), nil
	}
}

// podState is what is read of the pod. It shares nothing with it but strings.
func podState(pod *corev1.Pod, reads nodes.Reads, annotations annotationList) *nodes.Pod {
	state := &nodes.Pod{
		Namespace: pod.Namespace, Name: pod.Name, UID: string(pod.UID),
		Created: pod.CreationTimestamp.Time,
	}
	if pod.Spec.Priority != nil {
		state.Priority = *pod.Spec.Priority
	}
	if reads.Requested || reads.Requests {
		state.Requests = PodRequests(pod)
	}
	if reads.Labels {
		state.Labels = maps.Clone(pod.Labels)
	}
	if reads.Annotations {
		state.Annotations = annotations.of(pod.Annotations)
	}
	if reads.Owners {
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
			state.OwnerKind, state.OwnerName = owner.Kind, owner.Name
		}
	}
	return state
}

// samePod tells whether nothing that is kept of a pod changed.
func samePod(a, b *nodes.Pod) bool {
	return a == b || a.UID == b.UID && a.Name == b.Name && a.Namespace == b.Namespace &&
		a.Priority == b.Priority && a.Assumed == b.Assumed && a.Created.Equal(b.Created) &&
		a.OwnerKind == b.OwnerKind && a.OwnerName == b.OwnerName &&
		maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations) && maps.Equal(a.Requests, b.Requests)
}

// annotationList is which annotations of pods policies may see.
type annotationList struct {
	names    map[string]struct{}
	prefixes []string
}

func newAnnotationList(allowed []string) annotationList {
	list := annotationList{names: map[string]struct{}{}}
	for _, name := range allowed {
		if strings.HasSuffix(name, "/") {
			list.prefixes = append(list.prefixes, name)
		} else {
			list.names[name] = struct{}{}
		}
	}
	return list
}

// of returns those of the annotations that are allowed, nil for none.
func (l annotationList) of(annotations map[string]string) map[string]string {
	var out map[string]string
	for name, value := range annotations {
		_, allowed := l.names[name]
		if !allowed && !slices.ContainsFunc(l.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out
}
