// Package authconfig reads kube-apiserver's AuthenticationConfiguration
// (apiserver.config.k8s.io) and validates it as kube-apiserver does.
package authconfig
