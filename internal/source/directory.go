package source

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/verdict-dev/verdict/internal/filewatch"
	"github.com/verdict-dev/verdict/policy"
)

// Directory delivers the policies and data in one or more folders, laid out as
// OPA lays out a bundle directory:
//
//   - every *.rego file, in whatever folder, is a module;
//   - data.json, data.yaml and data.yml are data, rooted under `data` at the
//     folders between the root and the file: teams/data.json is data.teams.
//
// Anything else is left out, other JSON and YAML files included (OPA's loader
// takes those too when it is not asked for a bundle). So are *_test.rego files,
// and files and folders whose name starts with "." (which `opa run` loads);
// the names of the roots themselves are free.
//
// Symbolic links to files and folders are followed, except to a folder that the
// link itself is in. A file reached by two names is two files, as in OPA.
//
// The methods may be called from several goroutines.
type Directory struct {
	roots    []string
	limits   limits
	open     func(path string) (io.ReadCloser, error)
	now      func() time.Time
	watching filewatch.Options

	mu   sync.Mutex
	last snapshot // guarded by mu
}

// snapshot is what the latest reading found.
type snapshot struct {
	at      time.Time
	files   []file
	digest  digest // of the latest content that was read whole
	hasRead bool   // digest is set
	err     error
}

// NewDirectory returns a source that reads the folders at dirs, in that order.
// A folder named twice is read once. Nothing is read yet.
func NewDirectory(dirs []string) *Directory {
	d := &Directory{
		limits: defaultLimits(),
		open:   func(path string) (io.ReadCloser, error) { return os.Open(path) },
		now:    time.Now,
	}
	seen := map[string]struct{}{}
	for _, dir := range dirs {
		if dir != "" {
			dir = filepath.Clean(dir)
		}
		if _, ok := seen[dir]; !ok {
			seen[dir] = struct{}{}
			d.roots = append(d.roots, dir)
		}
	}
	return d
}

// Read returns what the folders hold at this moment, as one consistent state:
// files that change while they are read are read again. The order is that of
// the folders, then of the names. Paths are those of the files, below the
// folder as it was given to NewDirectory.
//
// It is an error when a folder is missing or holds neither policy nor data,
// when there is no policy at all, when a policy or data file cannot be read,
// and when there is too much: more than 16 MiB in a file, 256 MiB or 10,000
// files in all.
func (d *Directory) Read() (policy.Content, error) {
	content, _, err := d.read(nil)
	return content, err
}

// Err returns why the latest reading failed, nil when it did not.
func (d *Directory) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last.err
}

// Watch calls onChange with the new content whenever it differs from the one
// read last, by Watch or by Read, until ctx is done. A change is delivered
// within a second where the file system reports events, else within three.
//
// onError is called when the folders cannot be read, once for each different
// cause; what was delivered before stays valid, watching goes on, and Err
// returns nil when all is well again. It is also told, once, when the file
// system's events are not available.
//
// Both are called from the calling goroutine, one at a time. No goroutine is
// left on return.
func (d *Directory) Watch(ctx context.Context, onChange func(policy.Content), onError func(error)) {
	options := d.watching
	options.Degraded = onError
	filewatch.Run(ctx, &directoryWatch{directory: d, onChange: onChange, onError: onError}, options)
}

// directoryWatch is a Directory as filewatch sees it.
type directoryWatch struct {
	directory *Directory
	onChange  func(policy.Content)
	onError   func(error)
	reported  string
}

// Look implements filewatch.Subject.
func (w *directoryWatch) Look(t *filewatch.Targets) bool {
	content, changed, err := w.directory.read(t)
	if err != nil {
		if err.Error() != w.reported {
			w.reported = err.Error()
			w.onError(err)
		}
		return false
	}
	w.reported = ""
	if changed {
		w.onChange(content)
	}
	return true
}

// Changed implements filewatch.Subject.
func (w *directoryWatch) Changed() bool { return w.directory.changed() }

// read reads the folders, naming what it depends on to t, and notes the outcome
// for the next call. It also reports whether the content differs from the one
// before.
func (d *Directory) read(t *filewatch.Targets) (policy.Content, bool, error) {
	at := d.now()
	content, files, err := d.readConsistent(t)

	d.mu.Lock()
	defer d.mu.Unlock()
	recovered := err == nil && d.last.err != nil
	d.last.at, d.last.files, d.last.err = at, files, err
	if err != nil {
		return policy.Content{}, false, err
	}
	sum := digestOf(content)
	// What is readable again is delivered even when it is as before, so that the
	// caller learns that the fault is over.
	changed := !d.last.hasRead || sum != d.last.digest || recovered
	d.last.digest, d.last.hasRead = sum, true
	return content, changed, nil
}

// state is the folders as they were found at one time.
type state struct {
	content policy.Content
	files   []file
}

func (d *Directory) readConsistent(t *filewatch.Targets) (policy.Content, []file, error) {
	found, steady, err := filewatch.Steady(func() (found state, steady bool, err error) {
		if found.files, err = d.scan(t); err != nil {
			return state{}, false, err
		}
		if found.content, err = d.load(found.files); err != nil {
			return state{}, false, err
		}
		after, err := d.scan(nil)
		return found, err == nil && sameFiles(found.files, after), err
	})
	switch {
	case err != nil:
		return policy.Content{}, nil, err
	case !steady:
		return policy.Content{}, nil, fmt.Errorf("the policy files in %s change while they are read: replace them at once, by renaming a folder or link", d.describe())
	}
	return found.content, found.files, d.check(found.files)
}

// changed tells whether the folders may hold something else than what was last
// read, without reading any file.
func (d *Directory) changed() bool {
	d.mu.Lock()
	last := d.last
	d.mu.Unlock()
	if last.err != nil {
		return true
	}
	files, err := d.scan(nil)
	return err != nil || !sameFiles(last.files, files) ||
		slices.ContainsFunc(files, func(f file) bool { return filewatch.Ambiguous(f.info, last.at) })
}
