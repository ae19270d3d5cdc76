package filewatch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// MaxSmallFile is far above any certificate or secret, in bytes.
const MaxSmallFile = 1 << 20

// Files are files that count together, read again when one of them changes. What
// cannot be read or is bad never replaces what is good: it is reported, and tried
// again. The fields are set before the first Load or Watch.
type Files struct {
	// Subject begins the errors, such as "identity source staff"; may be empty.
	Subject string
	// Kind is what the files are, such as "token file"; may be empty.
	Kind string
	// Create says how to get a file that does not exist, such as "create it".
	Create string
	Paths  []string
	// Limit bounds each file, in bytes.
	Limit int
	// Now is the clock that tells when a file was read; nil means time.Now.
	Now func() time.Time
	// Take makes the contents, in the order of Paths, count. It is called once at
	// a time, and only with contents that do not count already. changed says
	// whether that makes a difference.
	Take func(contents [][]byte) (changed bool, err error)
	// Watching tunes Watch.
	Watching Options

	loading sync.Mutex        // held while the files are read and taken over
	taken   [sha256.Size]byte // the digest of what counts
	last    atomic.Pointer[reading]
}

// reading is what the latest look at the files found.
type reading struct {
	at    time.Time
	infos []os.FileInfo
	err   error
}

// Err returns why the latest reading failed, nil when it did not.
func (f *Files) Err() error {
	if last := f.last.Load(); last != nil {
		return last.err
	}
	return nil
}

// Watch reads the files, and again when one changes, until ctx is done: within a
// second where the file system reports events, else within three. onReload is
// called after a change counts, and when what was bad is again what it was
// before; onError once for each different cause that keeps it from that. Both are
// called from the calling goroutine; none is left on return.
func (f *Files) Watch(ctx context.Context, onReload func(), onError func(error)) {
	options := f.Watching
	options.Degraded = func(err error) { onError(f.named(err)) }
	Run(ctx, &filesSubject{files: f, onReload: onReload, onError: onError}, options)
}

// filesSubject is the Subject of Files.Watch.
type filesSubject struct {
	files    *Files
	onReload func()
	onError  func(error)
	reported string
}

// Look implements Subject.
func (s *filesSubject) Look(t *Targets) bool {
	changed, err := s.files.Read(t)
	if err != nil {
		if err.Error() != s.reported {
			s.reported = err.Error()
			s.onError(err)
		}
		return false
	}
	if changed || s.reported != "" {
		s.onReload()
	}
	s.reported = ""
	return true
}

// Changed implements Subject.
func (s *filesSubject) Changed() bool { return s.files.Changed() }

// Changed tells, without reading, whether a file may differ from what the last
// Read saw. It returns true when that failed.
func (f *Files) Changed() bool {
	last := f.last.Load()
	if last == nil || last.err != nil {
		return true
	}
	for i, path := range f.Paths {
		info, err := os.Stat(path)
		if err != nil || !SameState(last.infos[i], info) || Ambiguous(info, last.at) {
			return true
		}
	}
	return false
}

// Mode is that of the first file when it was last read; false when that failed.
func (f *Files) Mode() (mode fs.FileMode, ok bool) {
	last := f.last.Load()
	if last == nil || len(last.infos) == 0 {
		return 0, false
	}
	return last.infos[0].Mode(), true
}

// Load is Read without a watcher.
func (f *Files) Load() error {
	_, err := f.Read(nil)
	return err
}

// Read reads the files and takes them over when they are new. It names what it
// depends on to t, which may be nil.
func (f *Files) Read(t *Targets) (changed bool, err error) {
	f.loading.Lock()
	defer f.loading.Unlock()
	at := f.now()
	contents, infos, err := f.read(t)
	if err == nil {
		changed, err = f.takeOver(contents)
	}
	if err != nil {
		err = f.named(err)
	}
	f.last.Store(&reading{at: at, infos: infos, err: err})
	return changed, err
}

func (f *Files) takeOver(contents [][]byte) (changed bool, err error) {
	all := sha256.New()
	for _, content := range contents {
		one := sha256.Sum256(content)
		_, _ = all.Write(one[:]) // a hash never fails
	}
	digest := [sha256.Size]byte(all.Sum(nil))
	if digest == f.taken {
		return false, nil
	}
	if changed, err = f.Take(contents); err == nil {
		f.taken = digest
	}
	return changed, err
}

// named says whose files the error is of.
func (f *Files) named(err error) error {
	if f.Subject == "" {
		return err
	}
	return fmt.Errorf("%s: %w", f.Subject, err)
}

func (f *Files) now() time.Time {
	if f.Now == nil {
		return time.Now()
	}
	return f.Now()
}

// state is the files as they were found at one time.
type state struct {
	contents [][]byte
	infos    []os.FileInfo
}

// read returns the contents of the files in one state.
func (f *Files) read(t *Targets) ([][]byte, []os.FileInfo, error) {
	found, steady, err := Steady(func() (found state, steady bool, err error) {
		for _, path := range f.Paths {
			t.AddPath(path)
		}
		before, err := f.stat()
		if err != nil {
			return state{}, false, err
		}
		if found.contents, err = f.readAll(); err != nil {
			return state{}, false, err
		}
		if found.infos, err = f.stat(); err != nil {
			return state{}, false, err
		}
		return found, slices.EqualFunc(before, found.infos, SameState), nil
	})
	switch {
	case err != nil:
		return nil, nil, err
	case !steady:
		return nil, nil, fmt.Errorf("%s changes while it is read: replace it at once, by renaming", f.called(f.Paths[0]))
	}
	return found.contents, found.infos, nil
}

// called is how errors call a file.
func (f *Files) called(path string) string {
	if f.Kind == "" {
		return path
	}
	return f.Kind + " " + path
}

func (f *Files) stat() ([]os.FileInfo, error) {
	infos := make([]os.FileInfo, 0, len(f.Paths))
	for _, path := range f.Paths {
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, f.unreadable(path, err)
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is not a regular file", f.called(path))
		}
		infos = append(infos, info)
	}
	return infos, nil
}

func (f *Files) readAll() ([][]byte, error) {
	contents := make([][]byte, 0, len(f.Paths))
	for _, path := range f.Paths {
		content, err := readBounded(path, f.Limit)
		if err != nil {
			return nil, f.unreadable(path, err)
		}
		contents = append(contents, content)
	}
	return contents, nil
}

func (f *Files) unreadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: %s, or correct its path: %w", f.called(path), f.Create, err)
	case f.Kind == "":
		return err
	default:
		return fmt.Errorf("%s: %w", f.Kind, err)
	}
}

// readBounded reads a file of at most limit bytes.
func readBounded(path string, limit int) ([]byte, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	content, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(content) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return content, nil
}
