package revoked

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/verdict-dev/verdict/internal/filewatch"
	"github.com/verdict-dev/verdict/policy/identity"
)

// maxRevokedBytes leaves room for some 100,000 entries.
const maxRevokedBytes = 16 << 20

// File keeps what is revoked as a file says; identity.ParseRevoked says in
// which form. A file that is bad never takes the place of a good one.
type File struct {
	files   filewatch.Files
	path    string
	set     func(*identity.Revoked)
	entries atomic.Int64
}

// New returns what reads the file at path, and calls set with what it
// lists, each time that changes. Nothing is read before Load or Watch.
func New(path string, set func(*identity.Revoked)) *File {
	r := &File{path: path, set: set}
	r.files = filewatch.Files{
		Paths: []string{path}, Kind: "revoked file", Create: "create it (`subjects: []` revokes nothing)",
		Limit: maxRevokedBytes, Take: r.take,
	}
	return r
}

// Load reads the file once.
func (r *File) Load() error { return r.files.Load() }

// Watch loads the file and loads it again when it changes, as filewatch.Files.Watch
// does.
func (r *File) Watch(ctx context.Context, onReload func(), onError func(error)) {
	r.files.Watch(ctx, onReload, onError)
}

// Status says in a line, for people, why the newest state of the file is not in
// use, or how much is revoked.
func (r *File) Status() string {
	if err := r.files.Err(); err != nil {
		return "the newest change was refused: " + err.Error()
	}
	return fmt.Sprintf("revoked file %s: %d entries", r.path, r.entries.Load())
}

// take puts the list of a changed file in use.
func (r *File) take(contents [][]byte) (changed bool, err error) {
	revoked, err := identity.ParseRevoked(r.path, contents[0])
	if err != nil {
		return false, err
	}
	r.set(revoked)
	r.entries.Store(int64(revoked.Len()))
	return true, nil
}
