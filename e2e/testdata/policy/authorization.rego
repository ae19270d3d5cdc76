# METADATA
# title: Payments
# description: |
#   What the tests need to tell apart: a request that is allowed, one that is
#   denied though RBAC would allow it, and requests without an opinion.
package kubernetes.authorization

resource := input.spec.resourceAttributes

engineer if "payments-engineers" in input.spec.groups

allow contains "payments engineers work in payments" if {
	engineer
	resource.namespace == "payments"
	resource.verb in {"get", "list", "create", "delete"}
	resource.resource in {"pods", "configmaps"}
}

deny contains "secrets of payments are sealed" if {
	resource.namespace == "payments"
	resource.resource == "secrets"
}

# Nothing selects by field in the namespace search but this.
allow contains "pods of node-1 may be listed" if {
	engineer
	resource.namespace == "search"
	resource.resource == "pods"
	resource.verb == "list"
	some requirement in resource.fieldSelector.requirements
	requirement.key == "spec.nodeName"
	requirement.operator == "In"
	requirement.values == ["node-1"]
}

allow contains "payments engineers read metrics" if {
	engineer
	input.spec.nonResourceAttributes.path == "/metrics"
	input.spec.nonResourceAttributes.verb == "get"
}

deny contains "the log level is not for payments" if {
	engineer
	startswith(input.spec.nonResourceAttributes.path, "/debug/")
}

# Who a request comes from reaches the policy whole.
allow contains "the on-call engineer restarts anything" if {
	resource.verb == "delete"
	resource.namespace == "search"
	input.spec.uid == "u-alice"
	"primary" in input.spec.extra["example.com/on-call"]
}

# Workloads: the second webhook of deploy/apiserver/authorization-config.yaml.
deny contains "the robot is out of order" if {
	input.spec.user == "system:serviceaccount:payments:robot"
	resource.resource == "configmaps"
}

# A quota that is no number is a policy error.
deny contains "the quota is used up" if to_number(input.spec.extra["example.com/quota"][0]) == 0
