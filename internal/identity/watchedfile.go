package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/source/filewatch"
)

// Reading is repeated while a file changes under it.
const (
	readAttempts = 6
	readPause    = 20 * time.Millisecond
)

// watchedFile is a file that a source is made of, read again when it changes. A
// file that cannot be read or is bad never takes the place of a good one.
type watchedFile struct {
	source string // its configured name; "" for what is no source
	path   string
	kind   string // what the file is, such as "token file"
	create string // how to come by one, for who has none
	limit  int    // in bytes
	now    func() time.Time
	// take makes content count. One call at a time.
	take     func(content []byte) (changed bool, err error)
	watching filewatch.Options

	loading sync.Mutex // held while the file is read and taken over
	last    atomic.Pointer[reading]
}

// reading is what the latest look at the file found.
type reading struct {
	at   time.Time
	info os.FileInfo
	err  error
}

// Err returns why the latest reading failed, nil when it did not.
func (f *watchedFile) Err() error {
	if last := f.last.Load(); last != nil {
		return last.err
	}
	return nil
}

// watch reads the file, and again when it changes, until ctx is done. It calls
// from the calling goroutine, and leaves none on return.
func (f *watchedFile) watch(ctx context.Context, onReload func(), onError func(error)) {
	options := f.watching
	options.Degraded = func(err error) { onError(f.named(err)) }
	filewatch.Run(ctx, &fileSubject{file: f, onReload: onReload, onError: onError}, options)
}

// fileSubject is a watchedFile as filewatch sees it.
type fileSubject struct {
	file     *watchedFile
	onReload func()
	onError  func(error)
	reported string
}

// Look implements filewatch.Subject.
func (s *fileSubject) Look(t *filewatch.Targets) bool {
	changed, err := s.file.load(t)
	if err != nil {
		if err.Error() != s.reported {
			s.reported = err.Error()
			s.onError(err)
		}
		return false
	}
	s.reported = ""
	if changed {
		s.onReload()
	}
	return true
}

// Changed implements filewatch.Subject: it tells whether the file may differ
// from what was last read, without reading it.
func (s *fileSubject) Changed() bool {
	last := s.file.last.Load()
	if last == nil || last.err != nil {
		return true
	}
	info, err := os.Stat(s.file.path)
	return err != nil || !filewatch.SameState(last.info, info) || filewatch.Ambiguous(info, last.at)
}

func (f *watchedFile) load(t *filewatch.Targets) (changed bool, err error) {
	f.loading.Lock()
	defer f.loading.Unlock()
	at := f.now()
	content, info, err := f.read(t)
	if err == nil {
		changed, err = f.take(content)
	}
	if err != nil {
		err = f.named(err)
	}
	f.last.Store(&reading{at: at, info: info, err: err})
	return changed, err
}

// named says which source the error is of.
func (f *watchedFile) named(err error) error {
	if f.source == "" {
		return err
	}
	return fmt.Errorf("identity source %s: %w", f.source, err)
}

// read returns the content of the file in one state.
func (f *watchedFile) read(t *filewatch.Targets) ([]byte, os.FileInfo, error) {
	var err error
	for attempt := range readAttempts {
		if attempt > 0 {
			time.Sleep(readPause)
		}
		t.AddPath(f.path)
		var content []byte
		var before, after os.FileInfo
		if before, err = os.Stat(f.path); err == nil {
			if !before.Mode().IsRegular() {
				return nil, nil, fmt.Errorf("%s %s is not a regular file", f.kind, f.path)
			}
			if content, err = readBounded(f.path, f.limit); err == nil {
				if after, err = os.Stat(f.path); err == nil && filewatch.SameState(before, after) {
					return content, after, nil
				}
			}
		}
		// A file that is gone may be on its way back under the same name.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	switch {
	case err == nil:
		err = fmt.Errorf("%s %s changes while it is read: replace it at once, by renaming", f.kind, f.path)
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%s %s does not exist: %s, or correct its path: %w", f.kind, f.path, f.create, err)
	default:
		err = fmt.Errorf("%s: %w", f.kind, err)
	}
	return nil, nil, err
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
