package policy

import (
	"regexp"
	"regexp/syntax"

	"github.com/open-policy-agent/opa/v1/ast"
	opacache "github.com/open-policy-agent/opa/v1/topdown/cache"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
)

// patterns is a cache of the values that OPA's builtin functions compile: regular
// expressions, globs, schemas, tables of prefixes. A caller may choose the text that is
// compiled, so the cache bounds the bytes, and OPA's own cache bounds only the number
// of values. patterns implements OPA's InterQueryValueCache.
type patterns struct {
	kept *cache.Cache[patternKey, pattern]
}

// patternKey identifies the source of a compiled value, within OPA's cache of that
// name; the name of OPA's main cache is "".
type patternKey struct {
	name string
	text string // the source, when it is a string
	hash int    // of any other source; pattern.key tells equal hashes apart
}

type pattern struct {
	key      ast.Value
	compiled any
}

// leastPatternBytes bounds the cache when the budget has no bytes for it. Without any
// cache, each evaluation would compile the patterns of the policy again. maxPatterns
// bounds the number of values.
const leastPatternBytes, maxPatterns = 4 << 20, 10_000

func newPatterns(budget cache.Budget) *patterns {
	limit := budget.Share(cache.Patterns)
	if limit == 0 {
		limit = leastPatternBytes
	}
	return &patterns{kept: cache.NewBounded(maxPatterns, limit, func(key patternKey, p pattern) int { return p.size(key.name) }, nil)}
}

// The estimated sizes of compiled values, in bytes: sizeOfMatcher for each byte of the
// text of a glob, sizeOfSchema for each value of a schema.
const (
	sizeOfMatcher = 64
	sizeOfSchema  = 1024
)

// size estimates how many bytes the pattern takes in OPA's cache of that name.
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
		return 2 * size // a table of prefixes holds a copy of each prefix
	}
	ast.WalkTerms(p.key, func(*ast.Term) bool {
		size += sizeOfSchema
		return false
	})
	return size
}

// sizeOfRegexp estimates how many bytes a compiled regular expression takes. It parses
// the text, because a short text such as x{1000} may have a large program.
func sizeOfRegexp(text string) int {
	const base = 1024
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return base + sizeOfInstruction*len(text)
	}
	return base + sizeOfProgram(parsed)
}

// sizeOfInstruction estimates the bytes of one instruction, in the program itself and in
// the program that matches in one pass.
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

// verifiedTokens is the name of the cache in which OPA keeps verified tokens, with the
// token as the key. patterns does not have this cache, so no token becomes a key.
const verifiedTokens = "io_jwt"

// GetCache implements opacache.InterQueryValueCache.
func (p *patterns) GetCache(name string) opacache.InterQueryValueCacheBucket {
	if name == verifiedTokens {
		return nil
	}
	return patternBucket{p, name}
}

// UpdateConfig implements opacache.InterQueryValueCache. It does nothing: the budget sets the size.
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

// patternBucket is the part of patterns for OPA's cache of that name.
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
