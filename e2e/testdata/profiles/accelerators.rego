# METADATA
# title: Accelerators
# description: Pods that use an accelerator run where there is a new one.
package kubernetes.scheduler.accelerators

unresolvable contains "the accelerator is old" if {
	input.node.metadata.labels["example.com/accelerator"] != "new"
}
