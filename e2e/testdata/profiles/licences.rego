# METADATA
# title: Licences
# description: Pods that use a licence run where it is valid.
package kubernetes.scheduler.licences

unresolvable contains "the licence is not valid here" if {
	input.node.metadata.labels["example.com/site"] != "a"
}
