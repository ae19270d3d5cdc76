package policy

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
	"github.com/verdict-dev/verdict/policy/evaluator"
)

// roomy has room for everything that a test decides.
var roomy = CacheOptions{Bytes: 64 << 20, Entries: 1000}

// loaded returns an engine that decides by the sources.
func loaded(tb testing.TB, options Options, sources ...string) *Engine {
	tb.Helper()
	return loadedContent(tb, options, content(sources...))
}

func loadedContent(tb testing.TB, options Options, content Content) *Engine {
	tb.Helper()
	e := NewEngine(options, &observed{})
	if err := e.Load(tb.Context(), content); err != nil {
		tb.Fatalf("loading:\n%v", err)
	}
	return e
}

// counted counts the evaluations of one rule. Each waits at the gate, if there is one.
type counted struct {
	evaluator.Evaluator
	times atomic.Int64
	gate  func(ctx context.Context)
}

func (c *counted) Evaluate(ctx context.Context, query evaluator.Query) (evaluator.Result, error) {
	c.times.Add(1)
	if c.gate != nil {
		c.gate(ctx)
	}
	return c.Evaluator.Evaluate(ctx, query)
}

// count counts the evaluations of the rule at place by the current revision.
func count(e *Engine, place int) *counted {
	r := e.View().rules[place]
	c := &counted{Evaluator: r.evaluator}
	r.evaluator = c
	return c
}

func (c *counted) want(tb testing.TB, when string, times int64) {
	tb.Helper()
	if got := c.times.Load(); got != times {
		tb.Errorf("%s: evaluated %d times, want %d", when, got, times)
	}
}

func authorize(tb testing.TB, e *Engine, review document.Value) Decision {
	tb.Helper()
	decision, err := e.View().Authorize(tb.Context(), review)
	if err != nil {
		tb.Fatalf("authorizing: %v", err)
	}
	return decision
}

const threeWays = authz + `allow contains "yes" if input.spec.user == "alice"

deny contains "no" if input.spec.user == "mallory"
`

func TestAuthorizationLifetimes(t *testing.T) {
	const second = time.Second
	for name, test := range map[string]struct {
		lifetimes Lifetimes
		user      string
		want      time.Duration // 0: for as long as it holds
		outcome   Outcome
	}{
		"allow":                         {Lifetimes{10 * second, 20 * second, 15 * second}, "alice", 10 * second, Allow},
		"allow, no opinion lives less":  {Lifetimes{10 * second, 20 * second, 5 * second}, "alice", 5 * second, Allow},
		"allow, deny lives less":        {Lifetimes{10 * second, 2 * second, 15 * second}, "alice", 10 * second, Allow},
		"allow, no limit":               {Lifetimes{0, 20 * second, 0}, "alice", 0, Allow},
		"allow, only it has a limit":    {Lifetimes{10 * second, 0, 0}, "alice", 10 * second, Allow},
		"deny":                          {Lifetimes{10 * second, 20 * second, 5 * second}, "mallory", 20 * second, Deny},
		"deny, no limit":                {Lifetimes{10 * second, 0, 5 * second}, "mallory", 0, Deny},
		"no opinion":                    {Lifetimes{10 * second, 20 * second, 5 * second}, "bob", 5 * second, NoOpinion},
		"no opinion, allow lives less":  {Lifetimes{3 * second, 20 * second, 5 * second}, "bob", 3 * second, NoOpinion},
		"no opinion, only it has one":   {Lifetimes{0, 0, 5 * second}, "bob", 5 * second, NoOpinion},
		"no opinion, no limit":          {Lifetimes{0, 20 * second, 0}, "bob", 0, NoOpinion},
		"beyond the end of all clocks":  {Lifetimes{maximum, maximum, maximum}, "alice", 0, Allow},
		"beyond, where nothing is said": {Lifetimes{maximum, maximum, maximum}, "bob", 0, NoOpinion},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := Options{Cache: roomy}
				options.Cache.Lifetimes = test.lifetimes
				e := loaded(t, options, threeWays)
				denials := count(e, denyRule)
				review := object(t, `{"spec":{"user":"`+test.user+`"}}`)

				began := time.Now()
				decision := authorize(t, e, review)
				if decision.Outcome != test.outcome {
					t.Fatalf("got %s, want %s", decision.Outcome, test.outcome)
				}
				if test.want == 0 {
					if decision.Expires != Never {
						t.Errorf("expires at %d, want never", decision.Expires)
					}
					time.Sleep(100 * 24 * time.Hour)
					authorize(t, e, review)
					denials.want(t, "after 100 days", 1)
					return
				}
				if want := Expiry(began.Add(test.want).UnixNano()); decision.Expires != want {
					t.Errorf("expires after %s, want %s", time.Unix(0, int64(decision.Expires)).Sub(began), test.want)
				}
				if !decision.Expires.Holds(began.Add(test.want-1)) || decision.Expires.Holds(began.Add(test.want)) {
					t.Error("it does not hold up to its end and no longer")
				}
			})
		})
	}
}

// TestNoDenialsAreKeptNoLongerThanWhatFollows: without denials it is not known
// yet whether the decision will be an allow or no opinion.
func TestNoDenialsAreKeptNoLongerThanWhatFollows(t *testing.T) {
	for name, lifetimes := range map[string]Lifetimes{
		"allow is shorter":      {Allow: 5 * time.Second, Deny: time.Hour, NoOpinion: 50 * time.Second},
		"no opinion is shorter": {Allow: 50 * time.Second, Deny: time.Hour, NoOpinion: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := Options{Cache: roomy}
				options.Cache.Lifetimes = lifetimes
				e := loaded(t, options, threeWays)
				denials := count(e, denyRule)
				review := object(t, `{"spec":{"user":"bob"}}`)
				authorize(t, e, review)
				time.Sleep(5*time.Second - 1)
				authorize(t, e, review)
				denials.want(t, "just before", 1)
				time.Sleep(time.Nanosecond)
				authorize(t, e, review)
				denials.want(t, "at the end", 2)
			})
		})
	}
}

func TestLifetimesOfOtherPoints(t *testing.T) {
	const allow, deny = time.Second, time.Minute
	options := Options{Cache: roomy}
	options.Cache.Lifetimes = Lifetimes{Allow: allow, Deny: deny, NoOpinion: time.Hour}
	e := loaded(t, options, authn+`user.username := input.identity.subject if input.identity.subject != "nobody"

deny contains "no" if input.identity.subject == "mallory"
`, sched+`reject contains "full" if input.node.full

unresolvable contains "foreign" if input.node.foreign

score.a := 1 if input.node.a
`)
	rules := e.View().rules
	for name, test := range map[string]struct {
		rule  int
		value any
		want  time.Duration
	}{
		"a grant":             {allowRule, []string{"yes"}, allow},
		"no grant":            {allowRule, []string(nil), time.Hour},
		"a denial":            {denyRule, []string{"no"}, deny},
		"no denial":           {denyRule, []string(nil), allow},
		"a user":              {userRule, &User{Username: "a"}, allow},
		"no user":             {userRule, (*User)(nil), deny},
		"a user without name": {userRule, &User{UID: "1"}, deny},
		"nobody refused":      {userDenyRule, []string(nil), allow},
		"refused":             {userDenyRule, []string{"no"}, deny},
		"not rejected":        {rejectRule, []string(nil), allow},
		"rejected":            {rejectRule, []string{"full"}, deny},
		"unresolvable":        {unresolvableRule, []string{"full"}, deny},
		"a score":             {scoreRule, int64(10), allow},
	} {
		t.Run(name, func(t *testing.T) {
			if got := options.Cache.Lifetimes.of(rules[test.rule], test.value); got != test.want {
				t.Errorf("kept for %s, want %s", got, test.want)
			}
		})
	}
}

// periodLibrary is the library's lib.time.
const periodLibrary = `package lib.time

default active(_, _) := false

active(from, until) if {
	now := time.now_ns()
	now >= _begin(from)
	now < _end(until)
}

_begin("") := -9223372036854775808

_begin(instant) := time.parse_rfc3339_ns(instant) if instant != ""

_end("") := 9223372036854775807

_end(instant) := time.parse_rfc3339_ns(instant) if instant != ""
`

func timed(lifetimes Lifetimes) Options {
	options := Options{Cache: roomy, Library: Content{Modules: []Module{{Path: "time.rego", Source: []byte(periodLibrary)}}}}
	options.Cache.Lifetimes = lifetimes
	return options
}

// at is an instant of the bubble that a test runs in, whose clock begins with
// the year 2000.
func at(clock string) time.Time {
	instant, err := time.Parse(time.RFC3339, "2000-01-01T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return instant
}

func TestPeriodsAreKeptUntilTheNextInstant(t *testing.T) {
	type moment struct {
		at      string
		outcome Outcome
		until   string // "" for ever
	}
	for name, test := range map[string]struct {
		rules     string
		lifetimes Lifetimes
		moments   []moment
	}{
		"a period": {
			rules: `allow contains "x" if data.lib.time.active("2000-01-01T01:00:00Z", "2000-01-01T02:00:00Z")`,
			moments: []moment{
				{"00:00:00", NoOpinion, "01:00:00"}, {"01:00:00", Allow, "02:00:00"}, {"02:00:00", NoOpinion, ""},
			},
		},
		"open to the past": {
			rules:   `allow contains "x" if data.lib.time.active("", "2000-01-01T02:00:00Z")`,
			moments: []moment{{"00:00:00", Allow, "02:00:00"}, {"02:00:00", NoOpinion, ""}},
		},
		"open to the future": {
			rules:   `allow contains "x" if data.lib.time.active("2000-01-01T02:00:00Z", "")`,
			moments: []moment{{"00:00:00", NoOpinion, "02:00:00"}, {"02:00:00", Allow, ""}},
		},
		"another offset": {
			rules:   `allow contains "x" if data.lib.time.active("", "2000-01-01T03:00:00+02:00")`,
			moments: []moment{{"00:00:00", Allow, "01:00:00"}, {"01:00:00", NoOpinion, ""}},
		},
		"a part of a second": {
			rules:   `allow contains "x" if data.lib.time.active("", "2000-01-01T02:00:00.000000001Z")`,
			moments: []moment{{"00:00:00", Allow, "02:00:00.000000001"}, {"02:00:00.000000001", NoOpinion, ""}},
		},
		"the earlier of several": {
			rules: `allow contains "x" if data.lib.time.active("", "2000-01-01T05:00:00Z")

allow contains "y" if data.lib.time.active("2000-01-01T03:00:00Z", "")`,
			moments: []moment{{"00:00:00", Allow, "03:00:00"}, {"03:00:00", Allow, "05:00:00"}, {"05:00:00", Allow, ""}},
		},
		"negated": {
			rules:   `allow contains "x" if not data.lib.time.active("2000-01-01T01:00:00Z", "2000-01-01T02:00:00Z")`,
			moments: []moment{{"00:00:00", Allow, "01:00:00"}, {"01:00:00", NoOpinion, "02:00:00"}, {"02:00:00", Allow, ""}},
		},
		"by an alias": {
			rules: `import data.lib.time as clock

allow contains "x" if clock.active("", "2000-01-01T02:00:00Z")`,
			moments: []moment{{"00:00:00", Allow, "02:00:00"}, {"02:00:00", NoOpinion, ""}},
		},
		"in a helper that is asked twice": {
			rules: `allow contains "x" if at_work

allow contains "y" if {
	at_work == true
	at_work
}

at_work if data.lib.time.active("", "2000-01-01T02:00:00Z")`,
			moments: []moment{{"00:00:00", Allow, "02:00:00"}, {"02:00:00", NoOpinion, ""}},
		},
		"instants of the input": {
			rules:   `allow contains "x" if data.lib.time.active("", input.spec.until)`,
			moments: []moment{{"00:00:00", Allow, "04:00:00"}, {"04:00:00", NoOpinion, ""}},
		},
		"of each of a list": {
			rules:   "allow contains \"x\" if {\n\tsome until in [\"2000-01-01T01:00:00Z\", \"2000-01-01T02:00:00Z\"]\n\tdata.lib.time.active(\"\", until)\n}",
			moments: []moment{{"00:00:00", Allow, "01:00:00"}, {"01:00:00", Allow, "02:00:00"}, {"02:00:00", NoOpinion, ""}},
		},
		"a denial": {
			rules: `deny contains "x" if data.lib.time.active("2000-01-01T01:00:00Z", "2000-01-01T02:00:00Z")

allow contains "y" if input.spec.user`,
			moments: []moment{{"00:00:00", Allow, "01:00:00"}, {"01:00:00", Deny, "02:00:00"}, {"02:00:00", Allow, ""}},
		},
		"no longer than a lifetime": {
			rules:     `allow contains "x" if data.lib.time.active("", "2000-01-01T02:00:00Z")`,
			lifetimes: Lifetimes{Allow: 90 * time.Minute, NoOpinion: 90 * time.Minute, Deny: 24 * time.Hour},
			moments:   []moment{{"00:00:00", Allow, "01:30:00"}, {"01:30:00", Allow, "02:00:00"}, {"02:00:00", NoOpinion, "03:30:00"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := authz + test.rules
				if rest, ok := strings.CutPrefix(test.rules, "import"); ok {
					source = strings.Replace(authz, "\n\n", "\n\nimport"+rest, 1)
				}
				e := loaded(t, timed(test.lifetimes), source)
				place := allowRule
				if strings.HasPrefix(test.rules, "deny") {
					place = denyRule
				}
				evaluations := count(e, place)
				review := object(t, `{"spec":{"user":"a","until":"2000-01-01T04:00:00Z"}}`)
				for i, m := range test.moments {
					time.Sleep(time.Until(at(m.at)))
					want := Never
					if m.until != "" {
						want = Expiry(at(m.until).UnixNano())
					}
					got := authorize(t, e, review)
					if got.Outcome != m.outcome || got.Expires != want {
						t.Errorf("at %s: %s until %s, want %s until %s", m.at, got.Outcome, time.Unix(0, int64(got.Expires)).UTC(), m.outcome, m.until)
					}
					evaluations.want(t, m.at, int64(i+1))
					last := time.Now().Add(time.Hour)
					if m.until != "" {
						last = at(m.until).Add(-1)
					}
					time.Sleep(time.Until(last))
					if again := authorize(t, e, review); again.Outcome != m.outcome {
						t.Errorf("just before %s: %s, want %s", m.until, again.Outcome, m.outcome)
					}
					evaluations.want(t, "just before "+m.until, int64(i+1))
				}
			})
		})
	}
}

func TestPackagesSayForHowLong(t *testing.T) {
	const limited = "# METADATA\n# custom: {cache: {ttl: 30s}}\n"
	for name, test := range map[string]struct {
		sources   []string
		lifetimes Lifetimes
		want      time.Duration // 0 when it is not kept
	}{
		"by its package":        {[]string{limited + authz + `allow contains "x" if time.now_ns() > 0`}, Lifetimes{}, 30 * time.Second},
		"a lifetime is shorter": {[]string{limited + authz + `allow contains "x" if time.now_ns() > 0`}, Lifetimes{Allow: 10 * time.Second}, 10 * time.Second},
		"a lifetime is longer":  {[]string{limited + authz + `allow contains "x" if time.now_ns() > 0`}, Lifetimes{Allow: time.Hour}, 30 * time.Second},
		"by a helper's package": {[]string{authz + `allow contains "x" if data.clock.on`, limited + "package clock\n\non if time.now_ns() > 0"}, Lifetimes{}, 30 * time.Second},
		"the shortest": {[]string{
			"# METADATA\n# custom: {cache: {ttl: 5s}}\n" + authz + "allow contains \"x\" if {\n\tdata.clock.on\n\ttime.now_ns() > 0\n}",
			limited + "package clock\n\non if time.now_ns() > 0",
		}, Lifetimes{}, 5 * time.Second},
		"one package does not say": {[]string{
			limited + authz + "allow contains \"x\" if {\n\tdata.clock.on\n\ttime.now_ns() > 0\n}",
			"package clock\n\non if time.now_ns() > 0",
		}, Lifetimes{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				options := Options{Cache: roomy}
				options.Cache.Lifetimes = test.lifetimes
				e := loaded(t, options, test.sources...)
				evaluations := count(e, allowRule)
				review := object(t, `{"spec":{"user":"a"}}`)
				began := time.Now()
				want := AtOnce
				if test.want > 0 {
					want = Expiry(began.Add(test.want).UnixNano())
				}
				if got := authorize(t, e, review); got.Expires != want {
					t.Errorf("expires at %d, want %d", got.Expires, want)
				}
				if test.want == 0 {
					authorize(t, e, review)
					evaluations.want(t, "at once", 2)
					return
				}
				time.Sleep(test.want - 1)
				authorize(t, e, review)
				evaluations.want(t, "just before the end", 1)
				time.Sleep(time.Nanosecond)
				authorize(t, e, review)
				evaluations.want(t, "at the end", 2)
			})
		})
	}
}

func TestWhatIsNotKept(t *testing.T) {
	const plain = `allow contains "x" if input.spec.user == "a"`
	long := strings.Repeat("a", maxKey)
	for name, test := range map[string]struct {
		rules   string
		cache   CacheOptions
		user    string
		failing bool
	}{
		"the clock":         {rules: `allow contains "x" if time.now_ns() > 0`, cache: roomy, user: "a"},
		"chance":            {rules: `allow contains "x" if rand.intn(input.spec.user, 2) < 2`, cache: roomy, user: "a"},
		"a builtin's error": {rules: `allow contains "x" if to_number(input.spec.user) > 0`, cache: roomy, user: "a", failing: true},
		"a wrong shape":     {rules: `allow contains input.spec.number`, cache: roomy, user: "a", failing: true},
		"a long key":        {rules: plain, cache: roomy, user: long},
		"no bytes":          {rules: plain, cache: CacheOptions{Entries: 1000}, user: "a"},
		"no entries":        {rules: plain, cache: CacheOptions{Bytes: 1 << 20}, user: "a"},
		"no options at all": {rules: plain, user: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			e := loaded(t, Options{Cache: test.cache}, authz+test.rules)
			evaluations := count(e, allowRule)
			review := object(t, `{"spec":{"user":"`+test.user+`","number":1}}`)
			for range 3 {
				_, err := e.View().Authorize(t.Context(), review)
				if (err != nil) != test.failing {
					t.Fatalf("got error %v", err)
				}
			}
			evaluations.want(t, "after three decisions", 3)
			if got := e.CacheStats()["decisions"](); got.Entries != 0 || got.Hits != 0 {
				t.Errorf("the cache has %+v", got)
			}
		})
	}
}

// TestTheLongestKeyIsKept: the key holds the rule, the tags, the length and the
// text of the name.
func TestTheLongestKeyIsKept(t *testing.T) {
	e := loaded(t, Options{Cache: roomy}, authz+`allow contains "x" if input.spec.user == "a"`)
	evaluations := count(e, allowRule)
	const around = len("\x00") + len("\x02\x02\x01") + 2 + len(`""`)
	for more, want := range []int64{1, 3} {
		review := object(t, `{"spec":{"user":"`+strings.Repeat("a", maxKey-around+more)+`"}}`)
		authorize(t, e, review)
		authorize(t, e, review)
		evaluations.want(t, "with "+strings.Repeat("one more", more), want)
	}
}

func TestNothingIsKeptOfPlacementsWithoutRoom(t *testing.T) {
	e := loaded(t, Options{}, sched+`reject contains "x" if input.node.metadata.labels.full == input.pod.full`)
	evaluations := count(e, rejectRule)
	pod, n := object(t, `{"full":"yes"}`), namedNode(t, "a", `"labels":{"full":"yes"}`)
	for range 3 {
		placer := e.View().DefaultProfile().Placer(Reject, pod)
		class := placer.Class(n)
		if _, ok := placer.Kept(class, time.Now()); ok {
			t.Fatal("a placement is kept")
		}
		placed, err := placer.Decide(t.Context(), n, class)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "reasons", placed.Reasons(), []string{"x"})
	}
	evaluations.want(t, "after three decisions", 3)
	for name, stats := range e.CacheStats() {
		if name == cache.NodeClasses || name == cache.Patterns {
			continue // nothing of these is a decision
		}
		if got := stats(); got != (cache.Stats{}) {
			t.Errorf("%s has %+v", name, got)
		}
	}
}
