package generate

// freePolicy reads what is left of a node.
const freePolicy = `package kubernetes.scheduling

reject contains "node(s) with less than half a CPU free" if input.state.free.cpu < 500
`

// neighboursPolicy reads the pods on a node.
const neighboursPolicy = `package kubernetes.scheduling

reject contains "node(s) with a noisy neighbour" if {
	some neighbour in input.state.pods
	neighbour.labels["` + noisyLabel + `"] == "true"
}
`

// FreePolicy joins PolicyFiles where sums over the pods of a node are read.
func FreePolicy() File { return File{Path: "free.rego", Text: []byte(freePolicy)} }

// NeighboursPolicy joins PolicyFiles where the pods of a node are read.
func NeighboursPolicy() File {
	return File{Path: "neighbours.rego", Text: []byte(neighboursPolicy)}
}
