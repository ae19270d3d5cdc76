package cache

// Budget is the limit of all caches of a process: cache.maxBytes and cache.maxEntries
// of the configuration. Code that creates a cache gets the whole budget and takes the
// share of the cache's name. With the zero Budget nothing is cached.
type Budget struct {
	// Bytes bounds the memory of all caches together, Entries the entries of each.
	Bytes   int64
	Entries int
}

// Name is the name of a cache in a Budget and in the metrics.
type Name string

// The names of all caches. A process has one cache of each name.
const (
	// Answers are whole answers to access reviews.
	Answers Name = "answers"
	// TokenAnswers are whole answers to token reviews.
	TokenAnswers Name = "tokenAnswers"
	// Decisions are values of entry rules for an input.
	Decisions Name = "decisions"
	// Placements are values of entry rules for a class of pods and a class of nodes.
	Placements Name = "placements"
	// PodClasses are the numbers of classes of pods.
	PodClasses Name = "podClasses"
	// NodeClasses are the classes of nodes, and of nodes with their states.
	NodeClasses Name = "nodeClasses"
	// Nodes are parsed nodes from calls of the scheduler that hold whole nodes.
	Nodes Name = "nodes"
	// Identities are the identities of verified tokens.
	Identities Name = "identities"
	// RejectedTokens are tokens that no source knows.
	RejectedTokens Name = "rejectedTokens"
	// Patterns are compiled regular expressions, globs, schemas and the like.
	Patterns Name = "patterns"
)

// Weights say how a Budget is divided: the share of a cache is its weight divided by the
// sum of all weights. Caches that every request uses have the largest weights, and so
// have nodes, which are large.
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

// Share returns how many bytes the cache of that name may take: 0 for a name without a
// weight, and 0 for every name when the budget is 0.
func (b Budget) Share(name Name) int64 {
	if b.Bytes <= 0 || b.Entries <= 0 {
		return 0
	}
	var total int64
	weights := Weights()
	for _, weight := range weights {
		total += weight
	}
	// Dividing first, because the product may be larger than an int64.
	return b.Bytes/total*weights[name] + b.Bytes%total*weights[name]/total
}
