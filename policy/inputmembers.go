package policy

import "github.com/open-policy-agent/opa/v1/ast"

// The members of input.
const (
	podName, nodeName, stateName, victimName = "pod", "node", "state", "victim"
	victimsName, stateWithoutName            = "victims", "stateWithout"

	inputMembers = 6
)

var (
	podKey    = ast.StringTerm(podName)
	nodeKey   = ast.StringTerm(nodeName)
	stateKey  = ast.StringTerm(stateName)
	victimKey = ast.StringTerm(victimName)

	victimsKey      = ast.StringTerm(victimsName)
	stateWithoutKey = ast.StringTerm(stateWithoutName)
)
