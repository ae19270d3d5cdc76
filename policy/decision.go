package policy

import "time"

// decision is what a rule said.
type decision struct {
	// generation is the one it holds under.
	generation *Generation
	// expires is when it stops holding all the same; see Keeping.
	expires Expiry
	// value depends on the rule's shape: []string, *User, int64, map[string]string.
	value any
}

func (d decision) holds(generation *Generation, now time.Time) bool {
	return d.generation == generation && !d.expires.passed(now)
}
