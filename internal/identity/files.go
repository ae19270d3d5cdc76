package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/verdict-dev/verdict/internal/source/filewatch"
)

// maxFileBytes is far above any certificate or secret.
const maxFileBytes = 1 << 20

// files are read together, and again when one of them changes. What cannot be
// taken over never replaces what was: it is reported, and tried again.
type files struct {
	// subject begins the errors, such as "identity source staff".
	subject string
	paths   []string
	// take is given the contents in the order of paths, and keeps what it was
	// given before when it returns an error. It is called once at a time.
	take     func(contents [][]byte) error
	watching filewatch.Options

	mu     sync.Mutex // guards what follows
	read   time.Time
	infos  []os.FileInfo
	digest [sha256.Size]byte // of what was taken over
	err    error
}

// load reads the files and takes them over when they are new.
func (f *files) load(t *filewatch.Targets) (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := f.read.IsZero()
	f.read = time.Now()
	changed, f.err = f.takeOver(t, first)
	if f.err != nil {
		f.err = fmt.Errorf("%s: %w", f.subject, f.err)
	}
	return changed, f.err
}

func (f *files) takeOver(t *filewatch.Targets, first bool) (changed bool, err error) {
	f.infos = f.infos[:0]
	contents := make([][]byte, len(f.paths))
	digests := sha256.New()
	for i, path := range f.paths {
		t.AddPath(path)
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			return false, fmt.Errorf("%s is not a regular file", path)
		}
		if err == nil {
			contents[i], err = readBounded(path, maxFileBytes)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return false, fmt.Errorf("%s does not exist: create it, or correct its path: %w", path, err)
		}
		if err != nil {
			return false, err
		}
		f.infos = append(f.infos, info)
		one := sha256.Sum256(contents[i])
		_, _ = digests.Write(one[:]) // a hash never fails
	}
	digest := [sha256.Size]byte(digests.Sum(nil))
	if !first && digest == f.digest {
		return false, nil
	}
	if err := f.take(contents); err != nil {
		return false, err
	}
	f.digest = digest
	return true, nil
}

// watch loads the files and loads them again when they change, until ctx is
// done. onReload is called after files that changed were taken over, onError
// once for each different cause that keeps them from it. Both are called from
// the calling goroutine; none is left on return.
func (f *files) watch(ctx context.Context, onReload func(), onError func(error)) {
	options := f.watching
	options.Degraded = func(err error) { onError(fmt.Errorf("%s: %w", f.subject, err)) }
	filewatch.Run(ctx, &fileWatch{files: f, onReload: onReload, onError: onError}, options)
}

// fileWatch is files as filewatch sees them.
type fileWatch struct {
	files    *files
	onReload func()
	onError  func(error)
	reported string
}

// Look implements filewatch.Subject.
func (w *fileWatch) Look(t *filewatch.Targets) (complete bool) {
	changed, err := w.files.load(t)
	if err != nil {
		if err.Error() != w.reported {
			w.reported = err.Error()
			w.onError(fmt.Errorf("%w; what was read before stays in use", err))
		}
		return false
	}
	// A file that was bad, and is again what it was before, is good news too.
	if changed || w.reported != "" {
		w.onReload()
	}
	w.reported = ""
	return true
}

// Changed implements filewatch.Subject.
func (w *fileWatch) Changed() bool {
	f := w.files
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil || len(f.infos) != len(f.paths) {
		return true
	}
	for i, path := range f.paths {
		info, err := os.Stat(path)
		if err != nil || !filewatch.SameState(f.infos[i], info) || filewatch.Ambiguous(info, f.read) {
			return true
		}
	}
	return false
}
