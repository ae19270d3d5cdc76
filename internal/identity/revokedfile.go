package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// maxRevokedBytes leaves room for some 100,000 entries.
const maxRevokedBytes = 16 << 20

// RevokedFile keeps what is revoked as a file says; identity.ParseRevoked says in
// which form. A file that is bad never takes the place of a good one.
type RevokedFile struct {
	watchedFiles
	path    string
	set     func(*identity.Revoked)
	entries int
}

// NewRevokedFile returns what reads the file at path, and calls set with what it
// lists, each time that changes. Nothing is read before Load or Watch.
func NewRevokedFile(path string, set func(*identity.Revoked)) *RevokedFile {
	r := &RevokedFile{path: path, set: set}
	r.watchedFiles = watchedFiles{
		paths: []string{path}, kind: "revoked file", create: "create it (`subjects: []` revokes nothing)",
		limit: maxRevokedBytes, now: time.Now, take: r.take,
	}
	return r
}

// Load reads the file once.
func (r *RevokedFile) Load() error {
	_, err := r.load(nil)
	return err
}

// Watch loads the file and loads it again when it changes, as TokenFile.Watch
// does.
func (r *RevokedFile) Watch(ctx context.Context, onReload func(), onError func(error)) {
	r.watch(ctx, onReload, onError)
}

// Status says in a line, for people, why the newest state of the file is not in
// use, or how much is revoked.
func (r *RevokedFile) Status() string {
	if err := r.Err(); err != nil {
		return "the newest change was refused: " + err.Error()
	}
	r.loading.Lock()
	defer r.loading.Unlock()
	return fmt.Sprintf("revoked file %s: %d entries", r.path, r.entries)
}

// take is called by watchedFiles.
func (r *RevokedFile) take(contents [][]byte) (changed bool, err error) {
	revoked, err := identity.ParseRevoked(r.path, contents[0])
	if err != nil {
		return false, err
	}
	r.set(revoked)
	r.entries = revoked.Len()
	return true, nil
}
