package policy

import (
	"regexp"
	"regexp/syntax"

	"github.com/open-policy-agent/opa/v1/ast"
	opacache "github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
)

// patterns keeps what OPA's builtin functions compile: regular expressions, globs,
// schemas, tables of prefixes. Callers may choose what is compiled, so it is bounded
// in bytes, where OPA's own cache bounds numbers alone. It implements OPA's
// InterQueryValueCache.
type patterns struct {
	kept *cache.Cache[patternKey, pattern]
}

// patternKey is what a value was compiled from, in the cache of that name; "" for
// the one that has none.
type patternKey struct {
	name string
	text string // of a string
	hash int    // of anything else, which the pattern tells apart
}

type pattern struct {
	key      ast.Value
	compiled any
}

// leastPatternBytes bounds what is compiled where nothing else is kept: without it,
// each evaluation would compile the patterns of the policy.
const leastPatternBytes, maxPatterns = 4 << 20, 10_000

func newPatterns(budget cache.Budget) *patterns {
	limit := budget.Share(cache.Patterns)
	if limit == 0 {
		limit = leastPatternBytes
	}
	return &patterns{kept: cache.NewBounded(maxPatterns, limit, func(key patternKey, p pattern) int { return p.size(key.name) }, nil)}
}

// What compiled values take, in bytes: a matcher of a glob or a part of a schema for
// each byte of a text, or for each value of a document.
const (
	sizeOfMatcher = 64
	sizeOfSchema  = 1024
)

// size is about how many bytes the pattern takes, in the cache of that name.
func (p pattern) size(name string) int {
	size := document.SizeOf(p.key)
	text, isText := p.key.(ast.String)
	expression, isRegexp := p.compiled.(*regexp.Regexp)
	switch {
	case isRegexp:
		return size + sizeOfRegexp(expression.String())
	case isText:
		return size + sizeOfMatcher*len(text)
	case name != "":
		return 2 * size // a table of prefixes, each once more
	}
	ast.WalkTerms(p.key, func(*ast.Term) bool {
		size += sizeOfSchema
		return false
	})
	return size
}

// sizeOfRegexp is about how many bytes a compiled regular expression takes. A few
// characters may repeat others a thousand times.
func sizeOfRegexp(text string) int {
	const base = 1024
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return base + sizeOfInstruction*len(text)
	}
	return base + sizeOfProgram(parsed)
}

// sizeOfInstruction is about what one takes of a program, and of that which needs no
// backtracking.
const sizeOfInstruction = 80

func sizeOfProgram(of *syntax.Regexp) int {
	const character, around = 4, 1 // bytes of a rune; instructions beside those of what is inside
	size := around * sizeOfInstruction
	switch of.Op {
	case syntax.OpLiteral:
		size += len(of.Rune) * sizeOfInstruction
	default:
		size += len(of.Rune) * character
	}
	for _, sub := range of.Sub {
		size += sizeOfProgram(sub)
	}
	if of.Op == syntax.OpRepeat {
		size *= max(of.Max, of.Min, 1)
	}
	return size
}

// verifiedTokens is the cache in which OPA would keep tokens, by the tokens. There
// is none here: no token becomes a key.
const verifiedTokens = "io_jwt"

// GetCache implements opacache.InterQueryValueCache.
func (p *patterns) GetCache(name string) opacache.InterQueryValueCacheBucket {
	if name == verifiedTokens {
		return nil
	}
	return patternBucket{p, name}
}

// UpdateConfig implements opacache.InterQueryValueCache: the budget decides.
func (*patterns) UpdateConfig(*opacache.Config) {}

// Get implements opacache.InterQueryValueCache.
func (p *patterns) Get(key ast.Value) (any, bool) { return patternBucket{p, ""}.Get(key) }

// Insert implements opacache.InterQueryValueCache.
func (p *patterns) Insert(key ast.Value, value any) int {
	return patternBucket{p, ""}.Insert(key, value)
}

// Delete implements opacache.InterQueryValueCache.
func (p *patterns) Delete(key ast.Value) { patternBucket{p, ""}.Delete(key) }

func (p *patterns) stats() cache.Stats { return p.kept.Stats() }

// patternBucket is the part of patterns that has a name.
type patternBucket struct {
	patterns *patterns
	name     string
}

func (b patternBucket) keyOf(value ast.Value) patternKey {
	if text, ok := value.(ast.String); ok {
		return patternKey{name: b.name, text: string(text)}
	}
	return patternKey{name: b.name, hash: value.Hash()}
}

// Get implements opacache.InterQueryValueCacheBucket.
func (b patternBucket) Get(key ast.Value) (any, bool) {
	found, ok := b.patterns.kept.Get(b.keyOf(key))
	ok = ok && ast.ValueEqual(found.key, key)
	b.patterns.kept.Count(ok)
	if !ok {
		return nil, false
	}
	return found.compiled, true
}

// Insert implements opacache.InterQueryValueCacheBucket.
func (b patternBucket) Insert(key ast.Value, value any) int {
	b.patterns.kept.Set(b.keyOf(key), pattern{key: key, compiled: value})
	return 0
}

// Delete implements opacache.InterQueryValueCacheBucket.
func (b patternBucket) Delete(key ast.Value) { b.patterns.kept.Delete(b.keyOf(key)) }
