// Package cluster keeps what the service knows of the cluster by watching the
// Kubernetes API.
package cluster
