// Package secrets verifies tokens by labelled Secrets of the cluster.
package secrets
