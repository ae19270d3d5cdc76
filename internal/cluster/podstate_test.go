package cluster

import (
	"reflect"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/nodes"
)

func TestPodStateReader(t *testing.T) {
	read := PodStateReader([]string{"gpu.example.com/", "example.com/size"})
	got, err := read([]byte(`{"metadata": {"namespace": "a", "name": "b", "uid": "c", "creationTimestamp": "2030-01-02T03:04:05Z",
		"labels": {"app": "x"},
		"annotations": {"gpu.example.com/memory": "8", "example.com/size": "big", "example.com/sizes": "no", "other": "no"},
		"ownerReferences": [{"kind": "Node", "name": "n"}, {"kind": "ReplicaSet", "name": "x-1", "controller": true}]},
		"spec": {"priority": 7, "containers": [{"resources": {"requests": {"cpu": "1"}}}]}}`))
	must(t, err)
	want := &nodes.Pod{
		Namespace: "a", Name: "b", UID: "c", Created: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC),
		Labels:      map[string]string{"app": "x"},
		Annotations: map[string]string{"gpu.example.com/memory": "8", "example.com/size": "big"},
		Priority:    7, OwnerKind: "ReplicaSet", OwnerName: "x-1",
		Requests: map[string]int64{"cpu": 1000},
	}
	got.Created = got.Created.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := read([]byte(`{"spec": []}`)); err == nil {
		t.Error("no error about what is not a pod")
	}
}

func TestCovers(t *testing.T) {
	requested := nodes.Reads{State: true, Requested: true}
	labels := nodes.Reads{State: true, Pods: true, Labels: true}
	for name, test := range map[string]struct {
		a, b nodes.Reads
		want bool
	}{
		"everything covers all": {everything, labels, true},
		"the same":              {labels, labels, true},
		"something else":        {requested, labels, false},
		"nothing":               {requested, nodes.Reads{}, true},
		"nothing covers none":   {nodes.Reads{}, requested, false},
	} {
		if got := covers(test.a, test.b); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
