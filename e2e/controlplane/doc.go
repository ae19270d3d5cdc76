// Package controlplane runs a real Kubernetes control plane on loopback
// addresses (etcd, kube-apiserver and kube-scheduler, built from the versions
// that this module's go.mod names) with the verdict binary beside it, wired
// together by the very files in deploy/.
//
// Everything a run makes lives in one temporary directory, and every process
// it starts ends with it, even when the run itself is killed.
package controlplane
