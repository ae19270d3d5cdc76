package filewatch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// onlyEvents leaves polling no chance to notice anything.
func onlyEvents() Options {
	return Options{Settle: 20 * time.Millisecond, MaxSettle: 60 * time.Millisecond, Poll: time.Hour, FastPoll: time.Hour}
}

// subject reports its looks on a channel.
type subject struct {
	look    func(*Targets) bool
	changed func() bool
	looks   chan struct{}
}

func (s *subject) Look(t *Targets) bool {
	complete := s.look(t)
	s.looks <- struct{}{}
	return complete
}

func (s *subject) Changed() bool { return s.changed() }

// start runs the subject until the test ends and waits for the first look.
func start(t *testing.T, o Options, look func(*Targets) bool) *subject {
	t.Helper()
	s := &subject{look: look, changed: func() bool { return false }, looks: make(chan struct{}, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { Run(ctx, s, o) })
	t.Cleanup(func() { cancel(); running.Wait() })
	s.wait(t)
	return s
}

func (s *subject) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.looks:
	case <-time.After(patience):
		t.Fatal("no look")
	}
}

// quiet fails when there is a look within a time that events need severalfold less of.
func (s *subject) quiet(t *testing.T) {
	t.Helper()
	select {
	case <-s.looks:
		t.Fatal("a look without a relevant change")
	case <-time.After(300 * time.Millisecond):
	}
}

func TestRunLooksWhenAPathLeadsElsewhere(t *testing.T) {
	// The file is reached as root/link/data/file: link goes to another folder,
	// data is the link that a swap replaces.
	setUp := func(t *testing.T) (root, path string) {
		root = tempDir(t)
		for _, dir := range []string{"real", "real/v1", "real/v2", "elsewhere"} {
			mkdir(t, filepath.Join(root, dir))
		}
		write(t, filepath.Join(root, "real/v1/file"), "1")
		write(t, filepath.Join(root, "real/v2/file"), "2")
		symlink(t, "v1", filepath.Join(root, "real/data"))
		symlink(t, "../"+filepath.Base(root)+"/./real", filepath.Join(root, "link"))
		return root, filepath.Join(root, "link", "data", "file")
	}
	tests := map[string]func(t *testing.T, root string){
		"the file is written": func(t *testing.T, root string) {
			write(t, filepath.Join(root, "real/v1/file"), "other")
		},
		"the file is renamed over": func(t *testing.T, root string) {
			write(t, filepath.Join(root, "elsewhere/new"), "other")
			rename(t, filepath.Join(root, "elsewhere/new"), filepath.Join(root, "real/v1/file"))
		},
		"the file is removed": func(t *testing.T, root string) {
			remove(t, filepath.Join(root, "real/v1/file"))
		},
		"the inner link is swapped": func(t *testing.T, root string) {
			symlink(t, "v2", filepath.Join(root, "real/data_tmp"))
			rename(t, filepath.Join(root, "real/data_tmp"), filepath.Join(root, "real/data"))
		},
		"the outer link is swapped": func(t *testing.T, root string) {
			symlink(t, filepath.Join(root, "elsewhere"), filepath.Join(root, "tmp"))
			rename(t, filepath.Join(root, "tmp"), filepath.Join(root, "link"))
		},
		"a folder on the way is replaced": func(t *testing.T, root string) {
			rename(t, filepath.Join(root, "real"), filepath.Join(root, "old"))
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			root, path := setUp(t)
			s := start(t, onlyEvents(), func(targets *Targets) bool {
				targets.AddPath(path)
				return true
			})
			change(t, root)
			s.wait(t)
		})
	}
}

func TestRunLooksWhenAMissingFileAppears(t *testing.T) {
	root := tempDir(t)
	path := filepath.Join(root, "later")
	s := start(t, onlyEvents(), func(targets *Targets) bool {
		targets.AddPath(path)
		return false
	})
	write(t, path, "here")
	s.wait(t)
}

func TestRunIgnoresWhatIsBesideAPath(t *testing.T) {
	root := tempDir(t)
	write(t, filepath.Join(root, "file"), "1")
	s := start(t, onlyEvents(), func(targets *Targets) bool {
		targets.AddPath(filepath.Join(root, "file"))
		return true
	})
	write(t, filepath.Join(root, "neighbour"), "1")
	s.quiet(t)
}

func TestRunWatchesFoldersAndForgetsThem(t *testing.T) {
	root := tempDir(t)
	a, b := filepath.Join(root, "a"), filepath.Join(root, "b")
	mkdir(t, a)
	mkdir(t, b)
	symlink(t, "a", filepath.Join(root, "link"))
	looks := 0
	s := start(t, onlyEvents(), func(targets *Targets) bool {
		switch looks++; looks {
		case 1:
			targets.AddFolder(filepath.Join(root, "link"))
		case 2:
			targets.AddFolder(b)
		case 3:
			if watched := targets.events.WatchList(); !slices.Equal(watched, []string{b}) {
				t.Errorf("watching %q, want %q alone", watched, b)
			}
		}
		return true
	})
	write(t, filepath.Join(a, "new"), "1")
	s.wait(t) // the second look, which mentions b alone
	s.quiet(t)
	write(t, filepath.Join(a, "new"), "2")
	s.quiet(t)
	write(t, filepath.Join(b, "new"), "1")
	s.wait(t)
}

func TestRunKeepsWatchingAfterAnIncompleteLook(t *testing.T) {
	root := tempDir(t)
	first := true
	s := start(t, onlyEvents(), func(targets *Targets) bool {
		if first {
			targets.AddFolder(root)
		}
		complete := first
		first = false
		return complete
	})
	write(t, filepath.Join(root, "one"), "1")
	s.wait(t) // the incomplete one, which mentions nothing
	s.quiet(t)
	write(t, filepath.Join(root, "two"), "1")
	s.wait(t)
}

func TestRunSurvivesALinkLoop(t *testing.T) {
	root := tempDir(t)
	symlink(t, "b", filepath.Join(root, "a"))
	symlink(t, "a", filepath.Join(root, "b"))
	s := start(t, onlyEvents(), func(targets *Targets) bool {
		targets.AddPath(filepath.Join(root, "a", "file"))
		targets.AddFolder(filepath.Join(root, "a"))
		return false
	})
	remove(t, filepath.Join(root, "b"))
	s.wait(t)
}

func TestRunPolls(t *testing.T) {
	tests := map[string]struct {
		newWatcher func() (*fsnotify.Watcher, error)
		noEvents   bool
		interval   time.Duration
		degraded   string
	}{
		"without events": {noEvents: true, interval: 2 * time.Second},
		"when there is no watcher": {
			newWatcher: func() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") },
			interval:   500 * time.Millisecond,
			degraded:   "too many open files",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var causes []string
				s := &subject{
					look:    func(targets *Targets) bool { targets.AddFolder("/"); targets.AddPath("/"); return true },
					changed: func() bool { return true },
					looks:   make(chan struct{}, 100),
				}
				ctx, cancel := context.WithCancel(t.Context())
				go Run(ctx, s, Options{
					NoEvents:   test.noEvents,
					newWatcher: test.newWatcher,
					Degraded:   func(err error) { causes = append(causes, err.Error()) },
				})
				time.Sleep(10*test.interval + test.interval/2)
				cancel()
				synctest.Wait()
				if got := len(s.looks); got != 11 {
					t.Errorf("%d looks in 10.5 intervals of %v, want the first and 10 more", got, test.interval)
				}
				switch {
				case test.degraded == "" && len(causes) > 0:
					t.Errorf("reported %q", causes)
				case test.degraded != "" && (len(causes) != 1 || !strings.Contains(causes[0], test.degraded)):
					t.Errorf("reported %q, want %q once", causes, test.degraded)
				}
			})
		})
	}
}

func TestRunPollsWhenAFolderCannotBeWatched(t *testing.T) {
	root := tempDir(t)
	causes := make(chan error, 10)
	o := onlyEvents()
	o.FastPoll = time.Millisecond
	o.Degraded = func(err error) { causes <- err }
	o.newWatcher = func() (*fsnotify.Watcher, error) {
		w, err := fsnotify.NewWatcher()
		if err == nil {
			err = w.Close() // adding to a closed watcher fails
		}
		return w, err
	}
	s := &subject{
		look:    func(targets *Targets) bool { targets.AddFolder(root); return true },
		changed: func() bool { return true },
		looks:   make(chan struct{}, 100),
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { Run(ctx, s, o) })
	for range 3 {
		s.wait(t)
	}
	cancel()
	running.Wait()
	if len(causes) != 1 {
		t.Fatalf("%d reports, want one", len(causes))
	}
	if err := <-causes; !errors.Is(err, fsnotify.ErrClosed) || !strings.Contains(err.Error(), root) {
		t.Errorf("reported %v, want the folder and the cause", err)
	}
}

func TestRunSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pokes := make(chan struct{}, 1)
		began := time.Now()
		go func() {
			for range 3 {
				time.Sleep(80 * time.Millisecond)
				pokes <- struct{}{}
			}
		}()
		if !settle(t.Context(), pokes, Options{}.withDefaults()) {
			t.Fatal("settle gave up")
		}
		if got, want := time.Since(began), 340*time.Millisecond; got != want {
			t.Errorf("settled after %v, want %v: 100 ms after the last event", got, want)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		pokes := make(chan struct{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		var poking sync.WaitGroup
		defer poking.Wait()
		defer cancel()
		poking.Go(func() {
			for ctx.Err() == nil {
				time.Sleep(30 * time.Millisecond)
				select {
				case pokes <- struct{}{}:
				default:
				}
			}
		})
		began := time.Now()
		if !settle(ctx, pokes, Options{}.withDefaults()) {
			t.Fatal("settle gave up")
		}
		if got, want := time.Since(began), 400*time.Millisecond; got != want {
			t.Errorf("settled after %v under endless events, want %v", got, want)
		}
	})
}

func TestNilTargets(t *testing.T) {
	var targets *Targets
	targets.AddFolder(t.TempDir())
	targets.AddPath(t.TempDir())
}

// tempDir is a temporary folder whose path has no links.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) { t.Helper(); must(t, os.Mkdir(path, 0o750)) }
func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}
func rename(t *testing.T, from, to string) { t.Helper(); must(t, os.Rename(from, to)) }
func remove(t *testing.T, path string)     { t.Helper(); must(t, os.Remove(path)) }
func symlink(t *testing.T, target, path string) {
	t.Helper()
	must(t, os.Symlink(target, path))
}
