package filewatch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// maxLinks is how many symbolic links are followed on the way to one path: what
// Linux itself follows.
const maxLinks = 40

// Targets collects what one look at a Subject depends on. Its methods accept a
// nil receiver and then do nothing, so that files can be read by the same code
// without being watched.
type Targets struct {
	options Options
	events  *fsnotify.Watcher // nil without events
	pokes   chan struct{}     // holds one element: something happened
	done    chan struct{}     // closed when the forwarding goroutine has ended

	// degraded says that the last look found something that cannot be watched.
	// reported holds the causes already told to options.Degraded.
	degraded bool
	reported map[string]struct{}

	// mentioned are the folders named in the look under way: resolved path to
	// whether it is watched.
	mentioned map[string]bool
	walked    map[string]link
	next      interest

	mu      sync.Mutex
	current interest // guarded by mu
}

// interest is the set of events worth a look.
type interest struct {
	folders map[string]struct{} // every entry of these counts
	entries map[string]struct{} // these paths count
}

func newInterest() interest {
	return interest{folders: map[string]struct{}{}, entries: map[string]struct{}{}}
}

func (i interest) has(path string) bool {
	if _, ok := i.entries[path]; ok {
		return true
	}
	if _, ok := i.folders[path]; ok {
		return true
	}
	_, ok := i.folders[filepath.Dir(path)]
	return ok
}

// link is what was found at one path: a symbolic link's target, or nothing.
type link struct {
	target string
	is     bool
}

func newTargets(o Options) *Targets {
	t := &Targets{
		options:  o,
		pokes:    make(chan struct{}, 1),
		done:     make(chan struct{}),
		reported: map[string]struct{}{},
		current:  newInterest(),
	}
	if o.NoEvents {
		close(t.done)
		return t
	}
	events, err := o.newWatcher()
	if err != nil {
		close(t.done)
		t.degrade(fmt.Errorf("file events are not available, polling instead (on Linux, see fs.inotify.max_user_instances): %w", err))
		return t
	}
	t.events = events
	go t.forward()
	return t
}

// forward turns relevant events into pokes. It reads without pause, so that
// fsnotify never blocks on us.
func (t *Targets) forward() {
	defer close(t.done)
	events, faults := t.events.Events, t.events.Errors
	for events != nil || faults != nil {
		select {
		case event, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			t.mu.Lock()
			relevant := t.current.has(filepath.Clean(event.Name))
			t.mu.Unlock()
			if relevant {
				t.poke()
			}
		case _, ok := <-faults:
			if !ok {
				faults = nil
				continue
			}
			// Events may have been lost, an overflowing queue for one.
			t.poke()
		}
	}
}

func (t *Targets) poke() {
	select {
	case t.pokes <- struct{}{}:
	default:
	}
}

func (t *Targets) close() {
	if t.events != nil {
		// All it can report is a descriptor that is closed already.
		_ = t.events.Close()
	}
	<-t.done
}

// look lets the subject read, then stops watching what it no longer mentions.
func (t *Targets) look(subject Subject) {
	t.mentioned, t.walked, t.next = map[string]bool{}, map[string]link{}, newInterest()
	t.degraded = t.events == nil && !t.options.NoEvents
	complete := subject.Look(t)
	if t.events != nil && complete {
		for _, path := range t.events.WatchList() {
			if !t.mentioned[path] {
				// It may be gone by itself, with the folder.
				_ = t.events.Remove(path)
			}
		}
		t.mu.Lock()
		t.current = t.next
		t.mu.Unlock()
	}
	t.mentioned, t.walked = nil, nil
}

// AddFolder watches everything directly inside the folder at path.
func (t *Targets) AddFolder(path string) {
	if t == nil || t.events == nil {
		return
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return
	}
	// Events carry resolved paths. A folder that does not resolve is the
	// reader's to report.
	path, err = filepath.EvalSymlinks(path)
	if err != nil {
		return
	}
	t.interested(func(i interest) { i.folders[path] = struct{}{} })
	if err := t.watch(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.degrade(err)
	}
}

// AddPath watches what path leads to: the last element itself and each element
// before it, wherever symbolic links lead. The file at its end need not exist.
func (t *Targets) AddPath(path string) {
	if t == nil || t.events == nil {
		return
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return
	}
	root := filepath.VolumeName(path) + string(filepath.Separator)
	at, rest, links := root, elements(strings.TrimPrefix(path, root)), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			at = filepath.Dir(at)
			continue
		}
		found := t.walk(at, name, len(rest) == 0)
		if !found.is {
			at = filepath.Join(at, name)
			continue
		}
		if links++; links > maxLinks {
			return
		}
		target := found.target
		if filepath.IsAbs(target) {
			at = filepath.VolumeName(target) + string(filepath.Separator)
			target = strings.TrimPrefix(target, at)
		}
		rest = append(elements(target), rest...)
	}
}

// walk watches the entry called name of the resolved folder dir, then looks
// whether it is a link.
func (t *Targets) walk(dir, name string, last bool) link {
	path := filepath.Join(dir, name)
	if found, ok := t.walked[path]; ok && (found.is || !last) {
		return found
	}
	t.interested(func(i interest) { i.entries[path] = struct{}{} })
	fault := t.watch(dir)

	var found link
	if target, err := os.Readlink(path); err == nil {
		found = link{target: target, is: true}
	}
	t.walked[path] = found
	// Folders on the way that are no links are watched as a courtesy: they are
	// seldom replaced, and often not readable by us.
	if fault != nil && (found.is || last) && !errors.Is(fault, fs.ErrNotExist) {
		t.degrade(fault)
	}
	return found
}

// elements splits a path, dropping what means nothing.
func elements(path string) []string {
	var out []string
	for name := range strings.SplitSeq(filepath.ToSlash(path), "/") {
		if name != "" && name != "." {
			out = append(out, name)
		}
	}
	return out
}

// interested widens what counts as an event at once, and for after this look.
func (t *Targets) interested(add func(interest)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	add(t.next)
	add(t.current)
}

// watch adds the resolved folder. It is asked again on each look: a folder that
// was replaced under the same name is another one to the kernel.
func (t *Targets) watch(folder string) error {
	if t.mentioned[folder] {
		return nil
	}
	if err := t.events.Add(folder); err != nil {
		return fmt.Errorf("no file events for %s, polling instead (on Linux, see fs.inotify.max_user_watches): %w", folder, err)
	}
	t.mentioned[folder] = true
	return nil
}

// degrade notes that something is not watched, and says so once per cause.
func (t *Targets) degrade(err error) {
	t.degraded = true
	if _, ok := t.reported[err.Error()]; ok {
		return
	}
	t.reported[err.Error()] = struct{}{}
	t.options.Degraded(err)
}
