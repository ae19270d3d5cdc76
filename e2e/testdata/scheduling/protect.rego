# METADATA
# title: Protection
# description: Pods of the ledger are evicted for nobody.
package kubernetes.scheduling

protect contains "the ledger is not to be interrupted" if {
	input.victim.labels["example.com/part-of"] == "ledger"
}
