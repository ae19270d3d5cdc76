package policy

import (
	"fmt"
	"strings"
)

// explainUser implements pointRow.explain for authentication.
func explainUser(values []any, reserved func(*User) []string) string {
	denials, user := values[0].([]string), values[1].(*User)
	switch {
	case len(denials) > 0:
		return "not authenticated: denied"
	case user == nil || user.Username == "":
		return "not authenticated: no username"
	}
	if refused := reserved(user); len(refused) > 0 {
		return "not authenticated: " + strings.Join(refused, ", ")
	}
	return "authenticated as " + user.Username
}

// explainNode implements pointRow.explain for scheduling.
func explainNode(values []any, _ func(*User) []string) string {
	unresolvable, reject, score := values[0].([]string), values[1].([]string), values[2].(int64)
	switch {
	case len(unresolvable) > 0:
		return "rejected, and no eviction cures it"
	case len(reject) > 0:
		return "rejected"
	}
	return fmt.Sprintf("accepted, score %d", score)
}
