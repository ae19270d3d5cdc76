// Package nodes holds the nodes that pods are placed on, as rules see them.
//
// A Node is a v1 Node with its State: what is allocatable and requested on it, and
// its pods. A Class is what nodes have in common that are equal in everything one rule
// reads of them, so that the rule is evaluated once for all of them. A Table finds the
// class of a node for one rule, and a Cache keeps the classes of all rules within a
// bound.
//
// The package evaluates no rule, and does not watch the cluster: package policy decides
// by classes, and the source of the nodes makes them.
package nodes
