package policy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/footprint"
)

// gate makes loads of marked policies wait, or panic, in the middle: those that
// read input.gate.NAME wait until open is called with it.
type gate struct {
	mu     sync.Mutex
	opened map[string]chan struct{}
}

func (g *gate) of(name string) chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = map[string]chan struct{}{}
	}
	if g.opened[name] == nil {
		g.opened[name] = make(chan struct{})
	}
	return g.opened[name]
}

func (g *gate) open(name string) { close(g.of(name)) }

func (g *gate) narrow(_ string, f *footprint.Footprint) {
	if f.Input.At("panic").Empty() && f.Input.At("gate").Empty() {
		return
	}
	if !f.Input.At("panic").Empty() {
		panic("a policy that cannot be borne")
	}
	for name := range f.Input.At("gate").Fields {
		<-g.of(name)
	}
}

// slow is a policy that is loaded when the gate of that name has been opened.
func slow(name string) Content {
	return content(fmt.Sprintf("%sallow contains %q if input.gate.%s", authz, name, name))
}

// gatedEngine runs a revision already.
func gatedEngine(t *testing.T, options Options) (*Engine, *gate, *observed) {
	t.Helper()
	g, seen := &gate{}, &observed{}
	options.narrow = g.narrow
	e := NewEngine(options, seen)
	if err := e.Load(t.Context(), allowing("first")); err != nil {
		t.Fatal(err)
	}
	return e, g, seen
}

// reason is what the running revision allows for.
func reason(t *testing.T, e *Engine) string {
	t.Helper()
	got, err := e.View().Authorize(t.Context(), object(t, `{"gate":{"a":1,"b":1,"c":1,"d":1,"e":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(got.Reasons, " ")
}

func outcome(t *testing.T, of <-chan error) error {
	t.Helper()
	select {
	case err := <-of:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the load has no outcome")
		return nil
	}
}

// eventually waits for what another goroutine is about to bring about.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a minute: " + what)
		}
	}
}

func TestNewerChangeOvertakes(t *testing.T) {
	e, g, _ := gatedEngine(t, Options{})
	older := e.Begin(t.Context(), slow("a"))
	eventually(t, "it is seen what is being loaded", func() bool {
		loading := e.Loading()
		return len(loading) == 1 && !loading[0].Abandoned && strings.Contains(loading[0].String(), "what kubernetes.authorization.allow reads")
	})
	if err := e.Load(t.Context(), allowing("newer")); err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, older); !errors.Is(err, ErrOvertaken) {
		t.Errorf("the older change ended in %v, want %v", err, ErrOvertaken)
	}
	if loading := e.Loading(); len(loading) != 1 || !loading[0].Abandoned {
		t.Errorf("loading is %v, want the change that was overtaken", loading)
	}
	g.open("a")
	eventually(t, "the change that was overtaken ends", func() bool { return len(e.Loading()) == 0 })
	if got := reason(t, e); got != "newer" {
		t.Errorf("%q runs, want the newer change", got)
	}
	if fault := e.Fault(); fault != nil {
		t.Errorf("the fault is %v, want none", fault.Err)
	}
}

// TestOlderChangeFirst has every change loaded where each is done before the next:
// changes that come faster than they compile must not keep one another out.
func TestOlderChangeFirst(t *testing.T) {
	e, g, _ := gatedEngine(t, Options{})
	first, second := e.Begin(t.Context(), slow("a")), e.Begin(t.Context(), slow("b"))
	g.open("a")
	if err := outcome(t, first); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, e); got != "a" {
		t.Errorf("%q runs, want the change that is compiled", got)
	}
	g.open("b")
	if err := outcome(t, second); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, e); got != "b" {
		t.Errorf("%q runs, want the newest change", got)
	}
}

// TestNewerRefusal leaves an older change to be loaded, and stays the fault.
func TestNewerRefusal(t *testing.T) {
	e, g, _ := gatedEngine(t, Options{})
	older := e.Begin(t.Context(), slow("a"))
	refusal := e.Load(t.Context(), content("not rego"))
	g.open("a")
	if err := outcome(t, older); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, e); got != "a" {
		t.Errorf("%q runs, want the newest change that is none the worse", got)
	}
	if fault := e.Fault(); fault == nil || !errors.Is(fault.Err, refusal) {
		t.Errorf("the fault is %v, want %v", fault, refusal)
	}
}

func TestLoadTimeout(t *testing.T) {
	const limit = 50 * time.Millisecond
	e, g, seen := gatedEngine(t, Options{})
	e.options.LoadTimeout = limit
	began := time.Now()
	err := e.Load(t.Context(), slow("a"))
	e.options.LoadTimeout = time.Minute
	if _, ok := errors.AsType[*LoadError](err); !ok {
		t.Fatalf("got %v, want a *LoadError", err)
	}
	contains(t, err.Error(), "policy.loadTimeout", "50ms", "what kubernetes.authorization.allow reads", "p0.rego")
	if took := time.Since(began); took < limit {
		t.Errorf("it was refused after %v, want no less than %v", took, limit)
	}
	if fault := e.Fault(); fault == nil || !errors.Is(fault.Err, err) || len(seen.events) != 2 {
		t.Errorf("the fault is %v, and the observer saw %v", fault, seen.events)
	}
	if got := reason(t, e); got != "first" {
		t.Errorf("%q runs, want what ran before", got)
	}
	if err := e.Load(t.Context(), allowing("newer")); err != nil {
		t.Fatal(err)
	}
	g.open("a")
	eventually(t, "the change that was given up ends", func() bool { return len(e.Loading()) == 0 })
	if got := reason(t, e); got != "newer" || e.Fault() != nil {
		t.Errorf("%q runs with fault %v, want the newer change", got, e.Fault())
	}
}

// TestLoadsAreBounded has the newest of those that wait taken up when one of those
// that hang ends, and the others passed over.
func TestLoadsAreBounded(t *testing.T) {
	e, g, _ := gatedEngine(t, Options{})
	names := []string{"a", "b", "c"}
	for _, name := range names {
		e.Begin(t.Context(), slow(name))
	}
	passed, waiting := e.Begin(t.Context(), slow("d")), e.Begin(t.Context(), slow("e"))
	if err := outcome(t, passed); !errors.Is(err, ErrOvertaken) {
		t.Errorf("got %v, want %v", err, ErrOvertaken)
	}
	if loading := e.Loading(); len(loading) != maxLoads+1 {
		t.Fatalf("loading is %v, want %d and one that waits", loading, maxLoads)
	} else if got := loading[maxLoads].Stage; !strings.HasPrefix(got, "waiting") {
		t.Errorf("the last is at %q, want it to wait", got)
	}
	g.open("e")
	g.open("a")
	if err := outcome(t, waiting); err != nil {
		t.Fatal(err)
	}
	g.open("b")
	g.open("c")
	eventually(t, "all end", func() bool { return len(e.Loading()) == 0 })
	if got := reason(t, e); got != "e" {
		t.Errorf("%q runs, want the newest", got)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	e, g, seen := gatedEngine(t, Options{})
	for _, name := range []string{"a", "b", "c", "d"} { // the last waits
		ctx, cancel := context.WithCancel(t.Context())
		of := e.Begin(ctx, slow(name))
		cancel()
		if err := outcome(t, of); err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) {
			t.Errorf("got %v, want that it was canceled", err)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		g.open(name)
	}
	eventually(t, "all end", func() bool { return len(e.Loading()) == 0 })
	if len(seen.events) != 1 || e.Fault() != nil {
		t.Errorf("the observer saw %v and the fault is %v, want nothing of loads whose caller has gone", seen.events, e.Fault())
	}
}

func TestPanicIsARefusal(t *testing.T) {
	e, _, seen := gatedEngine(t, Options{})
	files := content(authz+`allow contains "first"`, "package helpers\n\nx := 1", authz+`deny contains "d" if input.panic`)
	err := e.Load(t.Context(), files)
	failed, ok := errors.AsType[*LoadError](err)
	if !ok || failed.Stack == nil {
		t.Fatalf("got %v, want a *LoadError with a stack", err)
	}
	contains(t, err.Error(), "panicked", "a policy that cannot be borne", "what kubernetes.authorization.deny reads", "p2.rego")
	contains(t, string(failed.Stack), "narrow")
	if got := reason(t, e); got != "first" || len(seen.events) != 2 {
		t.Errorf("%q runs and the observer saw %v, want what ran before and one refusal", got, seen.events)
	}
	// One that panicked leaves nothing behind: the same file is named again.
	if again := e.Load(t.Context(), files); again.Error() != err.Error() {
		t.Errorf("got %v, want %v again", again, err)
	}
	files.Modules[2].Source = []byte(authz + `deny contains "d" if input.spec`)
	if err := e.Load(t.Context(), files); err != nil {
		t.Error(err)
	}
	// Of one file alone it is that file's.
	_, err = Compile(t.Context(), content(authz+`deny contains "d" if input.panic`), Options{narrow: new(gate).narrow})
	if failed, ok := errors.AsType[*LoadError](err); !ok || failed.Problems[0].File != "p0.rego" || failed.Stack == nil {
		t.Errorf("Compile gives %v, want a panic in p0.rego", err)
	}
}

func TestCompileIsBounded(t *testing.T) {
	g := new(gate)
	_, err := Compile(t.Context(), slow("a"), Options{narrow: g.narrow, LoadTimeout: 20 * time.Millisecond})
	if _, ok := errors.AsType[*LoadError](err); !ok || !strings.Contains(err.Error(), "policy.loadTimeout") {
		t.Errorf("got %v, want that there was no time", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Compile(ctx, slow("a"), Options{narrow: g.narrow}); err == nil {
		t.Error("compiled for a caller that has gone")
	}
	g.open("a")
}

// TestLoadsUnderFire decides from some goroutines while others load policies that
// are good, broken, slow, or make loading panic, in any order: every decision is of
// one revision, a revision is never replaced by an older one, and in the end the
// newest runs, with what a new engine would say.
func TestLoadsUnderFire(t *testing.T) {
	e, g, _ := gatedEngine(t, Options{Cache: roomy, LoadTimeout: 30 * time.Second})
	g.open("a")
	stop := make(chan struct{})
	var deciding sync.WaitGroup
	for range 3 {
		deciding.Go(func() {
			newest := -1
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := e.View().Authorize(t.Context(), object(t, `{"spec":{"user":"alice"}}`))
				if err != nil || len(got.Reasons) != 1 {
					t.Errorf("got %v and error %v", got, err)
					return
				}
				var one, two int
				if n, _ := fmt.Sscanf(got.Reasons[0], "n%d of %d", &one, &two); n == 2 {
					if one != two || one < newest {
						t.Errorf("%s after n%d: of two revisions, or an older one", got.Reasons[0], newest)
					}
					newest = one
				}
			}
		})
	}
	numbered := func(n int, more string) Content {
		c := content(
			fmt.Sprintf("%sallow contains sprintf(\"n%d of %%d\", [data.n]) if data.helpers.f(input.spec.user)\n%s", authz, n, more),
			fmt.Sprintf("package helpers\n\nf(x) if x != \"n%d\"", n/3),
		)
		c.Documents = []Document{{Path: "data.json", Content: fmt.Appendf(nil, `{"n":%d}`, n)}}
		return c
	}
	random := rand.New(rand.NewPCG(1, 2))
	const changes = 200
	for n := range changes {
		var outcome <-chan error
		switch random.IntN(6) {
		case 0:
			outcome = e.Begin(t.Context(), content("not rego"))
		case 1:
			outcome = e.Begin(t.Context(), numbered(n, `deny contains "d" if input.panic`))
		case 2:
			ctx, cancel := context.WithCancel(t.Context())
			outcome = e.Begin(ctx, numbered(n, `deny contains "d" if input.gate.a`))
			cancel()
		case 3:
			e.Refuse(errors.New("no such folder"))
			continue
		default:
			outcome = e.Begin(t.Context(), numbered(n, ""))
		}
		if random.IntN(3) == 0 {
			if err := <-outcome; err != nil {
				t.Log(err)
			}
		}
	}
	last := numbered(changes, "")
	if err := e.Load(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	close(stop)
	deciding.Wait()
	eventually(t, "all loads end", func() bool { return len(e.Loading()) == 0 })
	if fault := e.Fault(); fault != nil {
		t.Errorf("the fault is %v, want none", fault.Err)
	}
	compareEngines(t, e, Options{Cache: roomy}, last, []string{`{"spec":{"user":"alice"}}`, `{"spec":{"user":"n66"}}`})
	next := numbered(changes+1, `allow contains "more" if input.spec.user == "bob"`)
	compareEngines(t, e, Options{Cache: roomy}, next, []string{`{"spec":{"user":"alice"}}`, `{"spec":{"user":"bob"}}`})
}
