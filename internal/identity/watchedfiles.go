package identity

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

	"github.com/verdict-dev/verdict/internal/filewatch"
)

const (
	// Reading is repeated while a file changes under it.
	readAttempts = 6
	readPause    = 20 * time.Millisecond
	// maxSmallFile is far above any certificate or secret, in bytes.
	maxSmallFile = 1 << 20
)

// watchedFiles are files that count together, read again when one of them
// changes. What cannot be read or is bad never takes the place of what is good:
// it is reported, and tried again.
type watchedFiles struct {
	// subject begins the errors, such as "identity source staff"; may be empty.
	subject string
	kind    string // what the files are, such as "token file"; may be empty
	create  string // how to come by one, for who has none
	paths   []string
	limit   int              // of each, in bytes
	now     func() time.Time // when a file was read
	// take makes the contents, in the order of the paths, count. It is called
	// once at a time, and only with contents that do not count already. changed
	// says whether that makes a difference.
	take     func(contents [][]byte) (changed bool, err error)
	watching filewatch.Options

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
func (f *watchedFiles) Err() error {
	if last := f.last.Load(); last != nil {
		return last.err
	}
	return nil
}

// watch reads the files, and again when one changes, until ctx is done: within a
// second where the file system reports events, else within three. onReload is
// called after a change counts, and when what was bad is again what it was
// before; onError once for each different cause that keeps it from that. Both are
// called from the calling goroutine; none is left on return.
func (f *watchedFiles) watch(ctx context.Context, onReload func(), onError func(error)) {
	options := f.watching
	options.Degraded = func(err error) { onError(f.named(err)) }
	filewatch.Run(ctx, &filesSubject{files: f, onReload: onReload, onError: onError}, options)
}

// filesSubject is watchedFiles as filewatch sees them.
type filesSubject struct {
	files    *watchedFiles
	onReload func()
	onError  func(error)
	reported string
}

// Look implements filewatch.Subject.
func (s *filesSubject) Look(t *filewatch.Targets) bool {
	changed, err := s.files.load(t)
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

// Changed implements filewatch.Subject: it tells whether a file may differ from
// what was last read, without reading it.
func (s *filesSubject) Changed() bool {
	last := s.files.last.Load()
	if last == nil || last.err != nil {
		return true
	}
	for i, path := range s.files.paths {
		info, err := os.Stat(path)
		if err != nil || !filewatch.SameState(last.infos[i], info) || filewatch.Ambiguous(info, last.at) {
			return true
		}
	}
	return false
}

// load reads the files and takes them over when they are new.
func (f *watchedFiles) load(t *filewatch.Targets) (changed bool, err error) {
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

func (f *watchedFiles) takeOver(contents [][]byte) (changed bool, err error) {
	all := sha256.New()
	for _, content := range contents {
		one := sha256.Sum256(content)
		_, _ = all.Write(one[:]) // a hash never fails
	}
	digest := [sha256.Size]byte(all.Sum(nil))
	if digest == f.taken {
		return false, nil
	}
	if changed, err = f.take(contents); err == nil {
		f.taken = digest
	}
	return changed, err
}

// named says whose files the error is of.
func (f *watchedFiles) named(err error) error {
	if f.subject == "" {
		return err
	}
	return fmt.Errorf("%s: %w", f.subject, err)
}

// read returns the contents of the files in one state.
func (f *watchedFiles) read(t *filewatch.Targets) ([][]byte, []os.FileInfo, error) {
	var err error
	for attempt := range readAttempts {
		if attempt > 0 {
			time.Sleep(readPause)
		}
		for _, path := range f.paths {
			t.AddPath(path)
		}
		var contents [][]byte
		var before, after []os.FileInfo
		if before, err = f.stat(); err == nil {
			if contents, err = f.readAll(); err == nil {
				if after, err = f.stat(); err == nil && slices.EqualFunc(before, after, filewatch.SameState) {
					return contents, after, nil
				}
			}
		}
		// A file that is gone may be on its way back under the same name.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
	}
	if err == nil {
		err = fmt.Errorf("%s changes while it is read: replace it at once, by renaming", f.called(f.paths[0]))
	}
	return nil, nil, err
}

// called is how errors call a file.
func (f *watchedFiles) called(path string) string {
	if f.kind == "" {
		return path
	}
	return f.kind + " " + path
}

func (f *watchedFiles) stat() ([]os.FileInfo, error) {
	infos := make([]os.FileInfo, 0, len(f.paths))
	for _, path := range f.paths {
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

func (f *watchedFiles) readAll() ([][]byte, error) {
	contents := make([][]byte, 0, len(f.paths))
	for _, path := range f.paths {
		content, err := readBounded(path, f.limit)
		if err != nil {
			return nil, f.unreadable(path, err)
		}
		contents = append(contents, content)
	}
	return contents, nil
}

func (f *watchedFiles) unreadable(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist: %s, or correct its path: %w", f.called(path), f.create, err)
	case f.kind == "":
		return err
	default:
		return fmt.Errorf("%s: %w", f.kind, err)
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
