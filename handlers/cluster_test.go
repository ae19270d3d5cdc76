package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
)

// wholeCluster is a cluster that pods can be bound in.
type wholeCluster struct {
	*cluster
	states map[string]*nodes.State // by node
	pods   map[string]*nodes.Pod   // bound, by UID
	bound  map[string]string       // node by UID

	mutex               sync.Mutex // guards bound
	stale, active, bind error
	// locked is called by whoever locks a node, when it is set.
	locked func()
}

// inWholeCluster connects to the cluster, in which default/p waits for a node.
func inWholeCluster(c *cluster, change ...func(*wholeCluster)) func(*handlers.Options) {
	whole := &wholeCluster{
		cluster: c, states: map[string]*nodes.State{}, pods: map[string]*nodes.Pod{},
		bound: map[string]string{"uid-p": ""},
	}
	for _, f := range change {
		f(whole)
	}
	return func(o *handlers.Options) { o.Cluster, o.PodState = whole, readPodState }
}

// readPodState reads what the tests' policies see of a pod.
func readPodState(text []byte) (*nodes.Pod, error) {
	var pod struct {
		Metadata struct {
			Namespace, Name, UID string
			Labels               map[string]string
		}
		Spec struct{ Priority int32 }
	}
	if err := json.Unmarshal(text, &pod); err != nil {
		return nil, errors.New("spec: is no PodSpec")
	}
	return &nodes.Pod{
		Namespace: pod.Metadata.Namespace, Name: pod.Metadata.Name, UID: pod.Metadata.UID,
		Labels: pod.Metadata.Labels, Priority: pod.Spec.Priority,
	}, nil
}

// withProfiles serves the modules with profiles beside the default one.
func withProfiles(t testing.TB, modules []string, names ...string) func(*handlers.Options) {
	t.Helper()
	e := engine(t, policy.Options{Entries: policy.Entries{Profiles: names}}, modules...)
	return func(o *handlers.Options) { o.Revisions, o.Profiles = e, names }
}

func (c *wholeCluster) Find(names [][]byte, list []*nodes.Node) {
	c.cluster.Find(names, list)
	for i, node := range list {
		if node != nil {
			list[i] = node.WithState(c.states[node.Name()])
		}
	}
}

func (c *wholeCluster) Stale() error  { return c.stale }
func (c *wholeCluster) Active() error { return c.active }

func (c *wholeCluster) PodByUID(uid string) (*nodes.Pod, bool) {
	pod, ok := c.pods[uid]
	return pod, ok
}

func (c *wholeCluster) PendingPod(_ context.Context, namespace, name, uid string) ([]byte, string, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	bound, ok := c.bound[uid]
	if !ok {
		return nil, "", scheduling.ErrNoPod
	}
	return fmt.Appendf(nil, `{"metadata":{"namespace":%q,"name":%q,"uid":%q}}`, namespace, name, uid), bound, nil
}

func (c *wholeCluster) LockNode(context.Context, string) (func(), error) {
	if c.locked != nil {
		c.locked()
	}
	return func() {}, nil
}

func (c *wholeCluster) Assume([]byte, string, map[string]string) (func(), error) {
	return func() {}, nil
}

func (c *wholeCluster) Bind(_ context.Context, _, _, uid, node string, _ map[string]string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.bind == nil {
		c.bound[uid] = node
	}
	return c.bind
}
