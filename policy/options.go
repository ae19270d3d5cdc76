package policy

import (
	"time"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/footprint"
)

// Options are what the configuration says about how policies are compiled and
// how far they are trusted. The zero value trusts them least.
type Options struct {
	// Library is compiled into every revision: the modules under data.lib.
	Library Content
	// Entries names the entry rules; the zero value means the default path of each.
	Entries Entries
	// AllowedHosts are those http.send and its like may reach. Empty means none.
	AllowedHosts []string
	// AllowedFolders are absolute paths of those whose files, and what is below
	// them, policies may read. Empty means none.
	AllowedFolders []string
	// AllowedSystemNames are the users and groups with a system: prefix that an
	// authentication policy may give out, AllowedExtraKeys the keys of extra for
	// which IsKubernetesKey holds. One that ends in "*" is a prefix, of something
	// longer. Empty means none.
	AllowedSystemNames, AllowedExtraKeys []string
	// Cache bounds what is kept of decisions; the zero value keeps nothing.
	Cache CacheOptions
	// EvaluationTimeout bounds one evaluation: one whose decision is kept goes on
	// when the caller that began it gives up. Default 30 s.
	EvaluationTimeout time.Duration

	// MaxEvaluations bounds the evaluations under way, those included that
	// outlive callers that gave up. Default 1,024.
	MaxEvaluations int
	// LoadTimeout bounds the time that loading content takes, parsing and compiling.
	// Default 1 min.
	LoadTimeout time.Duration
	// Cluster gives data.cluster.<resource> as it is when a revision that reads it
	// is loaded; SetCluster tells of later changes. A nil function or the zero
	// Object is no data.
	Cluster map[string]func() document.Decoded
	// PodAnnotations are the annotations of pods on nodes that rules of scheduling
	// find there: names, and prefixes that end in "/". Rules that read others are
	// warned of, unless it is nil.
	PodAnnotations []string
	// InterpreterOnly leaves every rule to OPA's interpreter.
	InterpreterOnly bool

	// patterns are those of the engine; nil for ones of the revision's own.
	patterns *patterns
	// narrow, in tests, takes something out of a footprint.
	narrow func(path string, f *footprint.Footprint)
}

func (o *Options) loadTimeout() time.Duration {
	if o.LoadTimeout <= 0 {
		return defaultLoadTimeout
	}
	return o.LoadTimeout
}

// defaultLoadTimeout is for an Options that gives none.
const defaultLoadTimeout = time.Minute

// defaultMaxEvaluations is the default of Options.MaxEvaluations.
const defaultMaxEvaluations = 1024

func (o *Options) maxEvaluations() int64 {
	if o.MaxEvaluations > 0 {
		return int64(o.MaxEvaluations)
	}
	return defaultMaxEvaluations
}

// defaultEvaluationTimeout bounds one evaluation.
const defaultEvaluationTimeout = 30 * time.Second

func (o *Options) evaluationTimeout() time.Duration {
	if o.EvaluationTimeout > 0 {
		return o.EvaluationTimeout
	}
	return defaultEvaluationTimeout
}

// CacheOptions bound what the engine keeps. The zero value keeps nothing of
// decisions.
type CacheOptions struct {
	// Bytes and Entries are those of the cache.Budget of the whole process, of which
	// the engine's caches take their shares.
	Bytes   int64
	Entries int
	// Lifetimes say how long decisions may be kept, by what they say.
	Lifetimes Lifetimes
}

func (o *CacheOptions) budget() cache.Budget { return cache.Budget{Bytes: o.Bytes, Entries: o.Entries} }

// Lifetimes say for how long a decision may be given again; 0 means for as long
// as it holds. What refuses, in any point, is a Deny; what accepts is an Allow.
type Lifetimes struct {
	Allow, Deny, NoOpinion time.Duration
}
