package policy

// Outcome is what a review comes to.
type Outcome string

// The outcomes. NoOpinion is of authorization alone.
const (
	Allow     Outcome = "allow"
	Deny      Outcome = "deny"
	NoOpinion Outcome = "noOpinion"
)
