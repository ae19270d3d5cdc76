package source

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/internal/filewatch"
	"github.com/verdict-dev/verdict/policy"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// watched is a Directory under Watch.
type watched struct {
	root    string
	changes chan []string
	errors  chan error
}

// watch watches root until the test ends and takes the first delivery.
func watch(t *testing.T, d *Directory, root string) *watched {
	t.Helper()
	w := &watched{root: root, changes: make(chan []string, 100), errors: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		d.Watch(ctx,
			func(c policy.Content) { w.changes <- listing(c) },
			func(err error) { w.errors <- err })
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

// expect waits until the content is that: names below the root and their texts.
// States between two changes made by the test may be delivered before it.
func (w *watched) expect(t *testing.T, want ...string) {
	t.Helper()
	for i := range want {
		want[i] = w.root + "/" + want[i]
	}
	timeout := time.After(patience)
	var got []string
	for {
		select {
		case got = <-w.changes:
			if slices.Equal(got, want) {
				return
			}
		case err := <-w.errors:
			t.Fatalf("error %v, want %q", err, want)
		case <-timeout:
			t.Fatalf("last delivered %q, want %q", got, want)
		}
	}
}

func (w *watched) expectError(t *testing.T, part string) {
	t.Helper()
	select {
	case got := <-w.changes:
		t.Fatalf("delivered %q, want an error", got)
	case err := <-w.errors:
		if !strings.Contains(err.Error(), part) {
			t.Fatalf("error %q, want one with %q", err, part)
		}
	case <-time.After(patience):
		t.Fatalf("no error, want one with %q", part)
	}
}

// byEvents is a Directory that polling does not help.
func byEvents(root string) *Directory {
	d := NewDirectory([]string{root})
	d.watching = filewatch.Options{Poll: time.Hour, FastPoll: time.Hour}
	return d
}

func TestWatchByEvents(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, root string)
		want   []string
	}{
		"a file is written": {
			change: func(t *testing.T, root string) { write(t, filepath.Join(root, "a.rego"), "new") },
			want:   []string{"a.rego: new", "sub/b.rego: b"},
		},
		"a file is renamed over, as editors do": {
			change: func(t *testing.T, root string) {
				write(t, filepath.Join(root, ".a.rego.swp"), "new")
				must(t, os.Rename(filepath.Join(root, ".a.rego.swp"), filepath.Join(root, "a.rego")))
			},
			want: []string{"a.rego: new", "sub/b.rego: b"},
		},
		"a file moves away and is written anew, as vim does": {
			change: func(t *testing.T, root string) {
				must(t, os.Rename(filepath.Join(root, "a.rego"), filepath.Join(root, "a.rego~")))
				write(t, filepath.Join(root, "a.rego"), "new")
				must(t, os.Remove(filepath.Join(root, "a.rego~")))
			},
			want: []string{"a.rego: new", "sub/b.rego: b"},
		},
		"a file is removed": {
			change: func(t *testing.T, root string) { must(t, os.Remove(filepath.Join(root, "sub", "b.rego"))) },
			want:   []string{"a.rego: a"},
		},
		"a folder is removed": {
			change: func(t *testing.T, root string) { must(t, os.RemoveAll(filepath.Join(root, "sub"))) },
			want:   []string{"a.rego: a"},
		},
		"a folder moves in": {
			change: func(t *testing.T, root string) {
				outside := t.TempDir()
				tree{"new/deep/c.rego": "c", "new/deep/data.json": "{}"}.plant(t, outside)
				must(t, os.Rename(filepath.Join(outside, "new"), filepath.Join(root, "new")))
			},
			want: []string{"a.rego: a", "new/deep/c.rego: c", "sub/b.rego: b", "new/deep/data.json @new/deep: {}"},
		},
		"the root is replaced by another folder": {
			change: func(t *testing.T, root string) {
				tree{"c.rego": "c"}.plant(t, root+"-new")
				must(t, os.Rename(root, root+"-old"))
				must(t, os.Rename(root+"-new", root))
			},
			want: []string{"c.rego: c"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "policies")
			tree{"a.rego": "a", "sub/b.rego": "b"}.plant(t, root)
			w := watch(t, byEvents(root), root)
			w.expect(t, "a.rego: a", "sub/b.rego: b")
			test.change(t, root)
			w.expect(t, test.want...)
		})
	}
}

func TestWatchSeesFilesInNewFolders(t *testing.T) {
	root := t.TempDir()
	tree{"a.rego": "a"}.plant(t, root)
	w := watch(t, byEvents(root), root)
	w.expect(t, "a.rego: a")

	tree{"new/b.rego": "b"}.plant(t, root)
	w.expect(t, "a.rego: a", "new/b.rego: b")
	write(t, filepath.Join(root, "new", "b.rego"), "b2")
	w.expect(t, "a.rego: a", "new/b.rego: b2")
	tree{"new/deep/data.yaml": "x: 1"}.plant(t, root)
	w.expect(t, "a.rego: a", "new/b.rego: b2", "new/deep/data.yaml @new/deep: x: 1")
	write(t, filepath.Join(root, "new", "deep", "data.yaml"), "x: 2")
	w.expect(t, "a.rego: a", "new/b.rego: b2", "new/deep/data.yaml @new/deep: x: 2")
}

func TestWatchSeesAConfigMapUpdate(t *testing.T) {
	root := t.TempDir()
	v := newVolume(t, root, tree{"a.rego": "1", "data.json": "{}"})
	w := watch(t, byEvents(root), root)
	w.expect(t, "a.rego: 1", "data.json @: {}")
	v.swap(t, tree{"a.rego": "2", "data.json": "{}"})
	w.expect(t, "a.rego: 2", "data.json @: {}")
	// The folder watched first is gone by now.
	v.swap(t, tree{"a.rego": "3", "b.rego": "3"})
	w.expect(t, "a.rego: 3", "b.rego: 3")
}

func TestWatchSeesWhatLinksLeadTo(t *testing.T) {
	outside, parent := t.TempDir(), t.TempDir()
	tree{
		"files/x":         "a",
		"folder/b.rego":   "b",
		"releases/1/keep": "-> ../../links",
		"links/a.rego":    "-> ../files/x",
		"links/folder":    "-> ../folder",
		"releases/2/keep": "/",
	}.plant(t, outside)
	tree{"releases/2/keep/c.rego": "c"}.plant(t, outside)
	must(t, os.Symlink(filepath.Join(outside, "releases/1"), filepath.Join(parent, "current")))
	root := filepath.Join(parent, "current", "keep")

	w := watch(t, byEvents(root), root)
	w.expect(t, "a.rego: a", "folder/b.rego: b")
	write(t, filepath.Join(outside, "files/x"), "a2")
	w.expect(t, "a.rego: a2", "folder/b.rego: b")
	write(t, filepath.Join(outside, "folder/b.rego"), "b2")
	w.expect(t, "a.rego: a2", "folder/b.rego: b2")
	// git-sync and the like: the link above the root is swapped.
	must(t, os.Symlink(filepath.Join(outside, "releases/2"), filepath.Join(parent, "tmp")))
	must(t, os.Rename(filepath.Join(parent, "tmp"), filepath.Join(parent, "current")))
	w.expect(t, "c.rego: c")
}

func TestWatchReportsErrorsAndGoesOn(t *testing.T) {
	root := filepath.Join(t.TempDir(), "policies")
	tree{"a.rego": "a"}.plant(t, root)
	d := byEvents(root)
	w := watch(t, d, root)
	w.expect(t, "a.rego: a")

	must(t, os.Symlink("b.rego", filepath.Join(root, "b.rego"))) // cannot be read by anybody
	w.expectError(t, "b.rego")
	if d.Err() == nil {
		t.Error("Err returns nil after a reading failed")
	}
	must(t, os.Remove(filepath.Join(root, "b.rego")))
	tree{"c.rego": "c"}.plant(t, root)
	w.expect(t, "a.rego: a", "c.rego: c")
	if err := d.Err(); err != nil {
		t.Errorf("Err returns %v after a reading succeeded", err)
	}

	must(t, os.RemoveAll(root))
	for { // which of the two depends on how far the removal had come
		err := <-w.errors
		if strings.Contains(err.Error(), "does not exist") {
			break
		}
		if !strings.Contains(err.Error(), "holds no policy") {
			t.Fatalf("error %v, want one of a missing folder", err)
		}
	}
	tree{"d.rego": "d"}.plant(t, root)
	deadline := time.After(patience)
	for {
		select {
		case got := <-w.changes:
			if slices.Equal(got, []string{root + "/d.rego: d"}) {
				return
			}
		case err := <-w.errors:
			t.Logf("the new folder was seen before its file: %v", err)
		case <-deadline:
			t.Fatal("a folder that came back was not noticed")
		}
	}
}

// TestWatchByPolling runs on synthetic time, which real events would not follow.
func TestWatchByPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := t.TempDir()
		path := filepath.Join(root, "a.rego")
		put := func(text string) {
			write(t, path, text)
			must(t, os.Chtimes(path, time.Time{}, time.Now())) // the bubble's time
		}
		put("a")
		d := NewDirectory([]string{root})
		d.watching.NoEvents = true
		_, err := d.Read()
		must(t, err)
		w := watch(t, d, root)
		step := func() {
			time.Sleep(2*time.Second + time.Millisecond)
			synctest.Wait()
		}
		delivered := func(want ...string) {
			t.Helper()
			if len(w.changes) != len(want) {
				t.Fatalf("%d deliveries, want %q", len(w.changes), want)
			}
			for _, text := range want {
				if got := <-w.changes; !slices.Equal(got, []string{path + ": " + text}) {
					t.Fatalf("delivered %q, want %q", got, text)
				}
			}
		}

		step()
		delivered() // Read had it already

		put("b")
		step()
		delivered("b")

		// Written again in place, with the same size and time as what was read.
		must(t, os.WriteFile(path, []byte("c"), 0o600))
		must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-2*time.Second-time.Millisecond)))
		step()
		delivered("c")

		put("c")
		step()
		step()
		delivered() // only the time differs

		must(t, os.Remove(path))
		step()
		step()
		delivered()
		if got := len(w.errors); got != 1 {
			t.Errorf("an error that lasts was reported %d times, want once", got)
		}
		put("c")
		step()
		delivered("c") // as before the error, which is over
		if err := d.Err(); err != nil {
			t.Errorf("Err returns %v although the files are back", err)
		}

		must(t, os.Remove(path))
		step()
		if got := len(w.errors); got != 2 {
			t.Errorf("an error that came back was reported %d times in all, want twice", got)
		}
	})
}
