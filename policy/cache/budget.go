package cache

// Budget is what all caches of a process may take together: cache.maxBytes and
// cache.maxEntries of the configuration. Whoever keeps something is given the
// whole budget and takes the share of a name. The zero Budget keeps nothing.
type Budget struct {
	// Bytes bounds the memory of all caches together, Entries the entries of each.
	Bytes   int64
	Entries int
}

// Name is what a cache is called in a Budget and in the metrics.
type Name string

// The caches that there are. Each Name is for one cache of a process.
const (
	// Answers are whole answers to access reviews.
	Answers Name = "answers"
	// TokenAnswers are whole answers to token reviews.
	TokenAnswers Name = "tokenAnswers"
	// Decisions are what entry rules say of an input.
	Decisions Name = "decisions"
	// Placements are what entry rules say of a class of pods on a class of nodes.
	Placements Name = "placements"
	// PodClasses are the numbers of classes of pods.
	PodClasses Name = "podClasses"
	// NodeClasses are the classes of nodes, and of nodes with their states.
	NodeClasses Name = "nodeClasses"
	// Nodes are nodes that came whole in calls of the scheduler.
	Nodes Name = "nodes"
	// Identities are what verified tokens prove.
	Identities Name = "identities"
	// RejectedTokens are tokens that no source knows.
	RejectedTokens Name = "rejectedTokens"
	// Patterns are compiled regular expressions, globs, schemas and the like.
	Patterns Name = "patterns"
)

// Weights say how a Budget is divided, in parts of the sum of all of them. What is
// asked for in every request has most, and so have nodes, which are large.
func Weights() map[Name]int64 {
	return map[Name]int64{
		Answers:        18,
		TokenAnswers:   6,
		Decisions:      20,
		Placements:     10,
		PodClasses:     4,
		NodeClasses:    10,
		Nodes:          18,
		Identities:     8,
		RejectedTokens: 2,
		Patterns:       4,
	}
}

// Share is how many bytes the cache of that name may take: 0 for one that is not
// among the weights, and for all where nothing is to be kept.
func (b Budget) Share(name Name) int64 {
	if b.Bytes <= 0 || b.Entries <= 0 {
		return 0
	}
	var total int64
	weights := Weights()
	for _, weight := range weights {
		total += weight
	}
	// Not the product first: it may be larger than an int64.
	return b.Bytes/total*weights[name] + b.Bytes%total*weights[name]/total
}
