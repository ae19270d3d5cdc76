package handlers

import (
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/cache"
)

// answers keeps whole answers by what was asked, compared in full: callers
// choose it, so a hash alone must not decide. An answer is valid as long as its
// generation is the current one and it has not expired.
//
// An answer is kept when its request comes for the second time: one that never
// comes again, as from a caller with a credential id in every request, is not
// worth the room, and what was decided of it is kept elsewhere.
type answers struct {
	kept *cache.Cache[string, keptAnswer]
	seed maphash.Seed
	// asked holds parts of hashes of recent requests, by another part.
	asked [recentRequests]atomic.Uint32
}

// recentRequests is how many requests are known to have come once: a power of two.
const recentRequests = 1 << 14

type keptAnswer struct {
	generation *policy.Generation
	// identities is the generation of the identity sources, in answers that
	// depend on them.
	identities uint64
	expires    policy.Expiry
	body       []byte
	outcome    string // for the metrics
}

// maxKeptRequest bounds the requests whose answers are kept, in bytes, as
// apiserver does for those of its own cache: a caller that chooses long names must
// not evict the answers to other callers.
const maxKeptRequest = 10_000

// newAnswers returns the cache of that name; one that keeps nothing when the budget
// has no room for it.
func newAnswers(budget cache.Budget, name cache.Name, m *Metrics) *answers {
	kept := cache.New(budget, name, func(request string, answer keptAnswer) int {
		return cache.SizeOf(len(request)) + cache.SizeOf(cap(answer.body))
	})
	if kept != nil {
		m.WatchCache(name, kept.Stats)
	}
	return &answers{kept: kept, seed: maphash.MakeSeed()}
}

// find returns the answer that was given to this very request, where it was decided
// under the generations of current.
func (a *answers) find(current keptAnswer, request []byte, now time.Time) (keptAnswer, bool) {
	if a.kept == nil || len(request) > maxKeptRequest {
		return keptAnswer{}, false
	}
	answer, ok := a.kept.Get(cache.View(request))
	ok = ok && answer.generation == current.generation && answer.identities == current.identities && answer.expires.Holds(now)
	a.kept.Count(ok)
	return answer, ok
}

// keep stores an answer, whose body must not be changed afterwards, when the same
// request came before and the answer may be given again.
func (a *answers) keep(request []byte, answer keptAnswer) {
	if a.kept == nil || len(request) > maxKeptRequest || answer.expires == policy.AtOnce {
		return
	}
	hash := maphash.Bytes(a.seed, request)
	mark := uint32(hash>>32) | 1
	if a.asked[hash%recentRequests].Swap(mark) == mark {
		a.kept.Set(string(request), answer)
	}
}
