package cluster

import (
	"fmt"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/verdict-dev/verdict/policy/nodes"
)

// benchState is one of many nodes with pods, without an API server.
func benchState(b *testing.B, list, podsPerNode int, reads nodes.Reads) (*State, *podFeed) {
	b.Helper()
	s := newState(StateOptions{Reads: func() nodes.Reads { return reads }})
	var err error
	if s.nodes, err = newNodeInformer(configFor("http://127.0.0.1:1"), decodeNode, Options{}); err != nil {
		b.Fatal(err)
	}
	feed := &podFeed{state: s, reads: reads, stop: func() {}}
	s.newest = feed
	var pods []any
	for n := range list {
		name := fmt.Sprint("node-", n)
		node := &corev1.Node{Status: corev1.NodeStatus{Allocatable: resources("cpu", "64", "memory", "256Gi", "pods", "110")}}
		node.Name = name
		made, err := decodeNode(node, []byte(`{"metadata":{"name":"`+name+`"}}`))
		if err != nil {
			b.Fatal(err)
		}
		s.nodes.byName[name] = made
		for p := range podsPerNode {
			pods = append(pods, pod(fmt.Sprint("pod-", n, "-", p), name, "100m"))
		}
	}
	if err := feed.Replace(pods, ""); err != nil {
		b.Fatal(err)
	}
	return s, feed
}

// A pod comes to one of 5,000 nodes, each with as many pods as it may have, and
// goes again.
func BenchmarkPodComesAndGoes(b *testing.B) {
	for name, reads := range map[string]nodes.Reads{"requested": readsRequested, "everything": everything} {
		b.Run(name, func(b *testing.B) {
			_, feed := benchState(b, 5000, 10, reads)
			come := pod("more", "node-7", "100m")
			b.ReportAllocs()
			for b.Loop() {
				if err := feed.Add(come); err != nil {
					b.Fatal(err)
				}
				if err := feed.Delete(come); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What 50,000 pods take in memory, beside 5,000 nodes.
func BenchmarkMemoryOfPods(b *testing.B) {
	for name, reads := range map[string]nodes.Reads{"requested": readsRequested, "everything": everything} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				empty, _ := benchState(b, 5000, 0, reads)
				before := heap()
				full, _ := benchState(b, 5000, 10, reads)
				b.ReportMetric(float64(heap()-before)/50000, "bytes/pod")
				runtime.KeepAlive(empty)
				runtime.KeepAlive(full)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
