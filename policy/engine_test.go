package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// observed records what an engine tells its observer.
type observed struct {
	mu     sync.Mutex
	events []string
}

func (o *observed) RevisionLoaded(r *Revision, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if took < 0 {
		o.events = append(o.events, "loaded in no time")
	}
	o.events = append(o.events, "loaded "+r.ID())
}

func (o *observed) RevisionRefused(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, "refused "+err.Error())
}

// allowing is a policy that allows everything, for the reason given.
func allowing(reason string) Content {
	return content(fmt.Sprintf("%sallow contains %q", authz, reason))
}

func TestEngineLoads(t *testing.T) {
	var seen observed
	engine := NewEngine(Options{}, &seen)
	if engine.Revision() != nil || engine.Fault() != nil {
		t.Fatalf("a new engine has revision %v and fault %v", engine.Revision(), engine.Fault())
	}

	load := func(c Content) *Revision {
		t.Helper()
		if err := engine.Load(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if fault := engine.Fault(); fault != nil {
			t.Errorf("fault %v after content that compiles", fault.Err)
		}
		return engine.Revision()
	}
	refuse := func(c Content) string {
		t.Helper()
		before, began := engine.Revision(), time.Now()
		err := engine.Load(t.Context(), c)
		if _, ok := errors.AsType[*LoadError](err); !ok {
			t.Fatalf("got %v, want a *LoadError", err)
		}
		if engine.Revision() != before {
			t.Error("broken content replaced the running revision")
		}
		fault := engine.Fault()
		if fault == nil || !errors.Is(fault.Err, err) || fault.Time.Before(began) {
			t.Errorf("got fault %+v, want %v", fault, err)
		}
		return err.Error()
	}

	broken := refuse(content("package"))
	one := load(allowing("one"))
	if again := load(allowing("one")); again != one {
		t.Error("equal content replaced the revision")
	}
	late := refuse(content(authz + `allow := "yes"`))
	if again := load(allowing("one")); again != one {
		t.Error("content that came back replaced the revision")
	}
	two := load(allowing("two"))
	if two == one || two.ID() == one.ID() {
		t.Errorf("other content did not replace the revision %s", one.ID())
	}
	engine.Refuse(errors.New("no such folder"))
	if engine.Revision() != two {
		t.Error("a source that cannot deliver replaced the revision")
	}
	if fault := engine.Fault(); fault == nil || fault.Err.Error() != "no such folder" {
		t.Errorf("got fault %v, want that of the source", fault)
	}
	load(Content{})

	equal(t, "events", seen.events, []string{
		"refused " + broken, "loaded " + one.ID(), "refused " + late, "loaded " + two.ID(), "refused no such folder", "loaded " + engine.Revision().ID(),
	})
}

func TestRevisionID(t *testing.T) {
	full := func() Content {
		c := content(authz+`allow contains "x"`, "package app\n\na := 1", "package other")
		c.Documents = []Document{
			{Path: "data.json", Content: []byte(`{"x":1}`)},
			{Path: "teams/data.json", Prefix: []string{"teams"}, Content: []byte(`{"y":1}`)},
		}
		return c
	}
	id := func(c Content, o Options) string {
		t.Helper()
		r, err := Compile(t.Context(), c, o)
		if err != nil {
			t.Fatal(err)
		}
		return r.ID()
	}
	base := id(full(), Options{})
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(base) {
		t.Errorf("got ID %q, want 12 hexadecimal digits", base)
	}

	for name, change := range map[string]func(c *Content, o *Options){
		"the same":           func(*Content, *Options) {},
		"order of modules":   func(c *Content, _ *Options) { slices.Reverse(c.Modules) },
		"order of documents": func(c *Content, _ *Options) { slices.Reverse(c.Documents) },
		"another folder": func(c *Content, _ *Options) {
			for i := range c.Modules {
				c.Modules[i].Path = "/mnt/" + c.Modules[i].Path
			}
			for i := range c.Documents {
				c.Documents[i].Path = "/mnt/" + c.Documents[i].Path
			}
		},
		"default entries written out": func(_ *Content, o *Options) { o.Entries.Paths = defaultPaths() },
		"empty lists":                 func(_ *Content, o *Options) { o.AllowedHosts, o.AllowedSystemNames = []string{}, []string{} },
	} {
		t.Run("equal: "+name, func(t *testing.T) {
			c, o := full(), Options{}
			change(&c, &o)
			if got := id(c, o); got != base {
				t.Errorf("got %s, want %s", got, base)
			}
		})
	}

	seen := map[string]string{base: "base"}
	for name, change := range map[string]func(c *Content, o *Options){
		"a module changed": func(c *Content, _ *Options) { c.Modules[1].Source = []byte("package app\n\na := 2") },
		"a module gone":    func(c *Content, _ *Options) { c.Modules = c.Modules[:2] },
		"a module twice": func(c *Content, _ *Options) {
			c.Append(Content{Modules: []Module{{Path: "q", Source: c.Modules[2].Source}}})
		},
		"a document changed":    func(c *Content, _ *Options) { c.Documents[0].Content = []byte(`{"x":2}`) },
		"a document gone":       func(c *Content, _ *Options) { c.Documents = c.Documents[:1] },
		"a document elsewhere":  func(c *Content, _ *Options) { c.Documents[1].Prefix = []string{"groups"} },
		"a host allowed":        func(_ *Content, o *Options) { o.AllowedHosts = []string{"example.com"} },
		"an extra key allowed":  func(_ *Content, o *Options) { o.AllowedExtraKeys = []string{"k8s.io/a"} },
		"a system name allowed": func(_ *Content, o *Options) { o.AllowedSystemNames = []string{"system:masters"} },
		"other entries": func(_ *Content, o *Options) {
			o.Entries.Paths = map[EntryRule]string{{AuthorizationPoint, "allow"}: "app.allow"}
		},
		"a library": func(_ *Content, o *Options) {
			o.Library.Modules = []Module{{Path: "l", Source: []byte("package lib.l")}}
		},
	} {
		t.Run("different: "+name, func(t *testing.T) {
			c, o := full(), Options{}
			change(&c, &o)
			got := id(c, o)
			if other, taken := seen[got]; taken {
				t.Errorf("the ID %s is also that of: %s", got, other)
			}
			seen[got] = name
		})
	}
}

func TestModulesAreCounted(t *testing.T) {
	if got := compile(t, Options{}, authz, sched, "package app").Modules(); got != 3 {
		t.Errorf("got %d, want 3", got)
	}
}

func TestContentAppend(t *testing.T) {
	a := Content{Modules: []Module{{Path: "1"}}, Documents: []Document{{Path: "2"}}}
	a.Append(Content{Modules: []Module{{Path: "3"}}, Documents: []Document{{Path: "4"}, {Path: "5"}}})
	var got []string
	for _, m := range a.Modules {
		got = append(got, m.Path)
	}
	for _, d := range a.Documents {
		got = append(got, d.Path)
	}
	equal(t, "paths", got, []string{"1", "3", "2", "4", "5"})
}

// TestDecisionsGoOnDuringReloads decides from many goroutines while revisions
// are swapped and broken content arrives: every decision is one revision's.
func TestDecisionsGoOnDuringReloads(t *testing.T) {
	revisionOf := func(name string) Content {
		return content(
			fmt.Sprintf("%sallow contains reason if {\n\tregex.match(`^[a-z]+$`, input.spec.user)\n\treason := sprintf(\"%s by %%s\", [data.name])\n}", authz, name),
			fmt.Sprintf("%suser := {\"username\": input.identity.subject, \"uid\": %q}", authn, name),
		)
	}
	named := func(name string) Content {
		c := revisionOf(name)
		c.Documents = []Document{{Path: "data.json", Content: fmt.Appendf(nil, `{"name":%q}`, name)}}
		return c
	}
	var seen observed
	engine := NewEngine(Options{}, &seen)
	if err := engine.Load(t.Context(), named("r0")); err != nil {
		t.Fatal(err)
	}

	var (
		stop    atomic.Bool
		decided atomic.Int64
		group   sync.WaitGroup
	)
	review := object(t, `{"spec":{"user":"alice"}}`)
	for range 4 {
		group.Go(func() {
			for !stop.Load() {
				revision := engine.Revision()
				got, err := revision.Authorize(t.Context(), review)
				if err != nil || got.Outcome != Allow || len(got.Reasons) != 1 {
					t.Errorf("got %v and error %v, want allow", got, err)
					return
				}
				who, err := revision.Authenticate(t.Context(), review, identity.Identity{Subject: "alice"})
				if err != nil || who.User == nil {
					t.Errorf("got %v and error %v, want alice", who, err)
					return
				}
				if want := who.User.UID + " by " + who.User.UID; got.Reasons[0] != want {
					t.Errorf("got %q, want %q: two revisions in one decision", got.Reasons[0], want)
					return
				}
				decided.Add(1)
			}
		})
	}
	const reloads = 30
	for i := 1; i <= reloads; i++ {
		if err := engine.Load(t.Context(), named(fmt.Sprintf("r%d", i))); err != nil {
			t.Error(err)
		}
		if err := engine.Load(t.Context(), content("not rego")); err == nil {
			t.Error("broken content was loaded")
		}
	}
	for before := decided.Load(); decided.Load() < before+100 && !t.Failed(); {
		time.Sleep(time.Millisecond)
	}
	stop.Store(true)
	group.Wait()
	if got, want := len(seen.events), 1+2*reloads; got != want {
		t.Errorf("the observer saw %d events, want %d", got, want)
	}
}
