package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/policy/identity"
)

// paced is a Source that takes its time.
type paced struct {
	name   string
	local  bool
	takes  time.Duration // until it answers; it hangs when negative
	err    error
	panics bool
	asked  *askedLog
	ended  atomic.Bool // its context, before it answered
}

// askedLog is who was asked, and when.
type askedLog struct {
	mu    sync.Mutex
	lines []string
}

func (l *askedLog) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
}

func (l *askedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, ", ")
}

func (s *paced) Name() string                { return s.name }
func (s *paced) Applies(*sources.Token) bool { return true }
func (s *paced) Remote() bool                { return !s.local }
func (s *paced) Ready() error                { return nil }
func (s *paced) Generation() uint64          { return 0 }

var bubbleBegan = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func (s *paced) Verify(ctx context.Context, _ *sources.Token) (identity.Identity, error) {
	s.asked.add(fmt.Sprintf("%s at %s", s.name, time.Since(bubbleBegan)))
	var answered <-chan time.Time
	if s.takes >= 0 {
		answered = time.After(s.takes)
	}
	select {
	case <-answered:
	case <-ctx.Done():
		s.ended.Store(true)
		return identity.Identity{}, ctx.Err()
	}
	if s.panics {
		panic(identitytest.SecretToken)
	}
	return identity.Identity{Subject: s.name}, s.err
}

func TestChainHedges(t *testing.T) {
	const second, hangs = time.Second, -1
	faultA, faultB := errors.New("a is away"), errors.New("b is away")
	no := fmt.Errorf("%w: expired", identity.ErrUnknownToken)
	for name, test := range map[string]struct {
		sources []*paced // called a, b, c
		limit   time.Duration
		subject string // "" means that none knows the token
		is      []error
		says    string
		takes   time.Duration
		asked   string
		ended   string // whose context was cancelled
	}{
		"a source that hangs does not keep a later one from answering": {
			sources: []*paced{{takes: hangs}, {takes: 10 * time.Millisecond}},
			subject: "b", takes: 310 * time.Millisecond, asked: "a at 0s, b at 300ms", ended: "a",
		},
		"nor do several": {
			sources: []*paced{{takes: hangs}, {takes: hangs}, {}},
			subject: "c", takes: 600 * time.Millisecond, asked: "a at 0s, b at 300ms, c at 600ms", ended: "a b",
		},
		"one that answers in time is the only one": {
			sources: []*paced{{takes: 299 * time.Millisecond}, {}},
			subject: "a", takes: 299 * time.Millisecond, asked: "a at 0s",
		},
		"one that is slow answers beside another": {
			sources: []*paced{{takes: second}, {takes: hangs}},
			subject: "a", takes: second, asked: "a at 0s, b at 300ms", ended: "b",
		},
		"a refusal lets the next one be asked at once": {
			sources: []*paced{{takes: 100 * time.Millisecond, err: no}, {takes: 100 * time.Millisecond}},
			subject: "b", takes: 200 * time.Millisecond, asked: "a at 0s, b at 100ms",
		},
		"so does a fault": {
			sources: []*paced{{takes: 100 * time.Millisecond, err: faultA}, {takes: 100 * time.Millisecond}},
			subject: "b", takes: 200 * time.Millisecond, asked: "a at 0s, b at 100ms",
		},
		"a refusal does not end the waiting for others": {
			sources: []*paced{{takes: second}, {takes: 10 * time.Millisecond, err: no}},
			subject: "a", takes: second, asked: "a at 0s, b at 300ms",
		},
		"local ones are asked first": {
			sources: []*paced{{takes: hangs}, {takes: hangs}, {local: true}},
			subject: "c", asked: "c at 0s",
		},
		"each of them, in order": {
			sources: []*paced{{local: true, err: no}, {}, {local: true, err: no}},
			subject: "b", asked: "a at 0s, c at 0s, b at 0s",
		},
		"patience begins with the remote source": {
			sources: []*paced{{local: true, takes: 250 * time.Millisecond, err: no}, {takes: hangs}, {}},
			subject: "c", takes: 550 * time.Millisecond, asked: "a at 0s, b at 250ms, c at 550ms", ended: "b",
		},
		"all faults are told": {
			sources: []*paced{{takes: second, err: faultA}, {takes: second, err: faultB}},
			is:      []error{faultA, faultB}, takes: 1300 * time.Millisecond, asked: "a at 0s, b at 300ms",
		},
		"a fault is no refusal, whoever comes first": {
			sources: []*paced{{takes: second, err: faultA}, {err: no}},
			is:      []error{faultA}, takes: second, asked: "a at 0s, b at 300ms",
		},
		"none knows it": {
			sources: []*paced{{takes: second, err: no}, {err: identity.ErrUnknownToken}},
			is:      []error{identity.ErrUnknownToken}, says: "identity source a: unknown token: expired", takes: second, asked: "a at 0s, b at 300ms",
		},
		"the limit ends it": {
			sources: []*paced{{takes: hangs}, {err: faultB}}, limit: second,
			is: []error{context.DeadlineExceeded, faultB}, takes: second, asked: "a at 0s, b at 300ms", ended: "a",
		},
		"the limit ends the only one": {
			sources: []*paced{{takes: hangs}}, limit: second,
			is: []error{context.DeadlineExceeded}, takes: second, asked: "a at 0s", ended: "a",
		},
		"a panic is a fault": {
			sources: []*paced{{panics: true}, {err: no}},
			says:    "identity source a panicked", asked: "a at 0s, b at 0s",
		},
		"a panic of a local source too": {
			sources: []*paced{{local: true, panics: true}, {}},
			subject: "b", asked: "a at 0s, b at 0s",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked askedLog
				var all []sources.Source
				for i, source := range test.sources {
					source.name, source.asked = string(rune('a'+i)), &asked
					all = append(all, source)
				}
				ctx := t.Context()
				if test.limit > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.limit)
					defer cancel()
				}
				verified, by, err := NewChain(sources.NewMetrics(nil), all...).Verify(ctx, sources.ParseToken(identitytest.SecretToken))
				if took := time.Since(bubbleBegan); took != test.takes {
					t.Errorf("it took %s, want %s", took, test.takes)
				}
				synctest.Wait() // for those that were cancelled
				if got := asked.String(); got != test.asked {
					t.Errorf("asked %s, want %s", got, test.asked)
				}
				var ended []string
				for _, source := range all {
					if s := source.(*paced); s.ended.Load() {
						ended = append(ended, s.name)
					}
				}
				if got := strings.Join(ended, " "); got != test.ended {
					t.Errorf("cancelled: %q, want %q", got, test.ended)
				}
				identitytest.HidesSecrets(t, err)
				if test.subject != "" {
					if err != nil || verified.Subject != test.subject || by.Name() != test.subject {
						t.Errorf("got %q by %v, %v", verified.Subject, by, err)
					}
					return
				}
				if err == nil || by != nil || verified.Subject != "" || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %q by %v, %v", verified.Subject, by, err)
				}
				for _, want := range test.is {
					if !errors.Is(err, want) {
						t.Errorf("%v is not %v", err, want)
					}
				}
				if wantsNo := len(test.is) > 0 && errors.Is(test.is[0], identity.ErrUnknownToken); errors.Is(err, identity.ErrUnknownToken) != wantsNo {
					t.Errorf("%v passes for a definite no, or does not", err)
				}
			})
		})
	}
}

func TestChainIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked askedLog
		a, b := &paced{name: "a", takes: -1, asked: &asked}, &paced{name: "b", takes: -1, asked: &asked}
		ctx, cancel := context.WithCancelCause(t.Context())
		gone := errors.New("the caller has gone")
		time.AfterFunc(time.Second, func() { cancel(gone) })
		_, _, err := NewChain(sources.NewMetrics(nil), a, b).Verify(ctx, sources.ParseToken("token"))
		if !errors.Is(err, gone) || errors.Is(err, identity.ErrUnknownToken) {
			t.Errorf("got %v, want the cause", err)
		}
		synctest.Wait()
		if !a.ended.Load() || !b.ended.Load() {
			t.Error("a source is still being asked")
		}
	})
}

func TestChainAsksNobodyAboutWhatIsNoToken(t *testing.T) {
	source := &fixed{}
	for _, token := range []string{"", strings.Repeat("a", sources.DefaultTokenBytes+1)} {
		if _, _, err := NewChain(sources.NewMetrics(nil), source).Verify(t.Context(), sources.ParseToken(token)); !errors.Is(err, identity.ErrUnknownToken) {
			t.Errorf("got %v", err)
		}
	}
	limited := NewChain(sources.NewMetrics(nil), source)
	limited.LimitTokens(4)
	_, _, err := limited.Verify(t.Context(), sources.ParseToken("token"))
	if !errors.Is(err, identity.ErrUnknownToken) || !strings.Contains(err.Error(), "it has 5 bytes, and server.limits.tokenBytes is 4") || source.calls.Load() > 0 {
		t.Errorf("got %v", err)
	}
	other := &fixed{other: true, remote: true}
	_, _, err = NewChain(sources.NewMetrics(nil), other, &fixed{err: identity.ErrUnknownToken}, other).Verify(t.Context(), sources.ParseToken("token"))
	if !errors.Is(err, identity.ErrUnknownToken) || source.calls.Load()+other.calls.Load() > 0 {
		t.Errorf("got %v, a source was asked that could not know", err)
	}
}
