package policy

import (
	"sync"
	"time"

	"github.com/verdict-dev/verdict/policy/cache"
)

// decisions keeps what entry rules say, by the values that they can read.
type decisions struct {
	lifetimes  Lifetimes
	byInput    *cache.Cache[string, decision]
	placements *cache.Cache[placementKey, decision]
	pods       *cache.Cache[string, uint64]
}

// placementKey stands for one entry rule, one class of pods and one class of nodes.
type placementKey struct {
	rule      int
	pod, node uint64
}

func newDecisions(o CacheOptions) *decisions {
	budget := o.budget()
	return &decisions{
		lifetimes: o.Lifetimes,
		byInput: cache.New(budget, cache.Decisions, func(key string, d decision) int {
			return cache.SizeOf(len(key)) + d.size()
		}),
		placements: cache.New(budget, cache.Placements, func(_ placementKey, d decision) int { return d.size() }),
		pods:       cache.New(budget, cache.PodClasses, func(key string, _ uint64) int { return cache.SizeOf(len(key)) }),
	}
}

// keys are buffers in which look-up keys are made.
var keys = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }}

// maxPooledKey is the largest buffer that is used again, in bytes.
const maxPooledKey = 64 << 10

func releaseKey(buffer *[]byte) {
	if cap(*buffer) <= maxPooledKey {
		clear(*buffer)
		keys.Put(buffer)
	}
}

// maxKey bounds the keys of what is kept, in bytes, as apiserver bounds those
// of its own cache: a caller with long names of its choice must not push out
// the decisions of all others.
const maxKey = 10_000

// of returns how long a rule's value may be kept. Without denials, what may come to
// no opinion is an allow or no opinion, whichever is kept for less long.
func (l Lifetimes) of(r *rule, value any) time.Duration {
	none := func(d time.Duration) time.Duration {
		if d <= 0 {
			return maximum
		}
		return d
	}
	reasons, isReasons := value.([]string)
	user, isUser := value.(*User)
	undecided := points[r.point].otherwise == NoOpinion
	switch {
	case isUser && (user == nil || user.Username == ""):
		return l.Deny
	case undecided && r.denies() && len(reasons) == 0:
		if least := min(none(l.Allow), none(l.NoOpinion)); least != maximum {
			return least
		}
		return 0
	case undecided && !r.denies() && len(reasons) == 0:
		return l.NoOpinion
	case isReasons && r.denies() && len(reasons) > 0:
		return l.Deny
	}
	return l.Allow
}
