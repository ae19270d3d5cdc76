package inprocess

import (
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"

	"github.com/verdict-dev/verdict/loadtest/generate"
)

// NewRBAC is kube-apiserver's RBAC authorizer over the roles and bindings of a
// company, behind the listers and indexers that kube-apiserver gives it: a role
// is a ClusterRole, a cluster-wide binding a ClusterRoleBinding, and any other a
// RoleBinding in each of its namespaces.
func NewRBAC(access generate.Access) (authorizer.Authorizer, error) {
	indexer := func() cache.Indexer {
		return cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	}
	roles, roleBindings, clusterRoles, clusterRoleBindings := indexer(), indexer(), indexer(), indexer()
	for name, grants := range access.Roles {
		role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}}
		for _, g := range grants {
			role.Rules = append(role.Rules, rbacv1.PolicyRule{Verbs: g.Verbs, APIGroups: g.Groups, Resources: g.Resources})
		}
		if err := clusterRoles.Add(role); err != nil {
			return nil, fmt.Errorf("adding a role: %w", err)
		}
	}
	number := 0
	for kind, subjects := range map[string]map[string][]generate.Binding{rbacv1.UserKind: access.Users, rbacv1.GroupKind: access.Groups} {
		for name, bindings := range subjects {
			for _, b := range bindings {
				number++
				if err := addBinding(b, kind, name, fmt.Sprintf("binding-%06d", number), roleBindings, clusterRoleBindings); err != nil {
					return nil, err
				}
			}
		}
	}
	return rbac.New(
		&rbac.RoleGetter{Lister: rbaclisters.NewRoleLister(roles)},
		&rbac.RoleBindingLister{Lister: rbaclisters.NewRoleBindingLister(roleBindings)},
		&rbac.ClusterRoleGetter{Lister: rbaclisters.NewClusterRoleLister(clusterRoles)},
		&rbac.ClusterRoleBindingLister{Lister: rbaclisters.NewClusterRoleBindingLister(clusterRoleBindings)},
	), nil
}

func addBinding(b generate.Binding, kind, subject, name string, roleBindings, clusterRoleBindings cache.Indexer) error {
	subjects := []rbacv1.Subject{{Kind: kind, APIGroup: rbacv1.GroupName, Name: subject}}
	role := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: b.Role}
	for _, namespace := range b.Namespaces {
		var err error
		if namespace == "*" {
			err = clusterRoleBindings.Add(&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name}, Subjects: subjects, RoleRef: role})
		} else {
			err = roleBindings.Add(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Subjects: subjects, RoleRef: role})
		}
		if err != nil {
			return fmt.Errorf("adding a binding: %w", err)
		}
	}
	return nil
}

// attributesOf are a review in the form that an authorizer in the API server takes.
func attributesOf(r *authorizationv1.SubjectAccessReview) authorizer.Attributes {
	extra := map[string][]string{}
	for key, values := range r.Spec.Extra {
		extra[key] = values
	}
	asked := r.Spec.ResourceAttributes
	return authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: r.Spec.User, UID: r.Spec.UID, Groups: r.Spec.Groups, Extra: extra},
		Verb: asked.Verb, Namespace: asked.Namespace, APIGroup: asked.Group, APIVersion: asked.Version,
		Resource: asked.Resource, Subresource: asked.Subresource, Name: asked.Name, ResourceRequest: true,
	}
}

// RBAC is the name of kube-apiserver's RBAC authorizer in reports.
const RBAC = "RBAC"
