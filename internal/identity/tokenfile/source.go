package tokenfile

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/filewatch"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/sealer"
)

// typeName is what the configuration and input.identity.type call the kind.
const typeName = "tokenFile"

// maxTokenFileBytes leaves room for some 50,000 users.
const maxTokenFileBytes = 16 << 20

// Format is the form of a token file.
type Format string

// The values of Format.
const (
	// YAML lists hashes of tokens.
	YAML Format = "yaml"
	// CSV is that of kube-apiserver's --token-auth-file: the token
	// itself, username, uid, and optionally groups in one column.
	CSV Format = "csv"
)

// parsers of the formats.
var parsers = map[Format]func(name string, content []byte) (entries []userlist.Entry, warnings []string, err error){
	YAML: func(name string, content []byte) ([]userlist.Entry, []string, error) {
		entries, err := ParseTokens(name, content)
		return entries, nil, err
	},
	CSV: parseTokensCSV,
}

// fileSource verifies tokens against a YAML file that lists their hashes:
//
//	tokens:
//	  - sha256: 54574817387baa55fc8ff89052070891b05c8c0314346024f93fb6fbf4bcdc23
//	    username: alice
//	    uid: "1001"
//	    groups: [team-payments]
//	    extra: {department: [engineering]}
//	    audiences: [https://kubernetes.default.svc]
//	    expires: 2030-12-31T23:59:59Z
//
// Only sha256 and username are required; Entry says what each field means. Of a
// file with tokens in clear text, CSV, it keeps no more than that.
//
// The methods may be called from several goroutines.
type fileSource struct {
	files  filewatch.Files
	now    func() time.Time
	name   string
	path   string
	format Format
	keys   *sealer.Sealer
	table  atomic.Pointer[tokenTable]
}

var _ sources.Source = (*fileSource)(nil)

// tokenTable is what one state of the file says. It never changes.
type tokenTable struct {
	generation uint64
	warnings   []string
	identities map[sealer.Key]identity.Identity
}

// option is something a fileSource can do without.
type option func(*fileSource)

// withFormat says which form the file has. Default YAML.
func withFormat(format Format) option {
	return func(f *fileSource) { f.format = format }
}

// newSource returns the source called name that verifies against the file at
// path. Nothing is read before Load or Watch. now is the clock that tokens
// expire by; nil means time.Now.
func newSource(name, path string, now func() time.Time, options ...option) (*fileSource, error) {
	if now == nil {
		now = time.Now
	}
	f := &fileSource{name: name, path: path, now: now, format: YAML, keys: sealer.New()}
	f.files = filewatch.Files{
		Subject: "identity source " + name, Paths: []string{path}, Kind: "token file", Create: "create it (verdict token new prints an entry)",
		Limit: maxTokenFileBytes, Now: now, Take: f.take,
	}
	for _, option := range options {
		option(f)
	}
	if parsers[f.format] == nil {
		return nil, fmt.Errorf("identity source %s: a token file cannot have the format %q", name, f.format)
	}
	return f, nil
}

// Name implements Source.
func (f *fileSource) Name() string { return f.name }

// Applies implements Source: a file may list any token.
func (f *fileSource) Applies(*sources.Token) bool { return true }

// Remote implements Source: it is in memory.
func (f *fileSource) Remote() bool { return false }

// Verify implements Source. What it returns is shared: callers must not change
// the claims or the audiences.
func (f *fileSource) Verify(_ context.Context, token *sources.Token) (identity.Identity, error) {
	table := f.table.Load()
	if table == nil {
		return identity.Identity{}, f.notLoaded()
	}
	digest := token.SHA256()
	verified, ok := table.identities[f.keys.Key(digest[:])]
	if !ok {
		return identity.Identity{}, identity.ErrUnknownToken
	}
	return userlist.WhileValid(verified, f.now())
}

// Ready implements Source: it returns nil once the file was read. A later file
// that is bad leaves the earlier one in place, and Err says so.
func (f *fileSource) Ready() error {
	if f.table.Load() != nil {
		return nil
	}
	return f.notLoaded()
}

// notLoaded says why there is no table. It never returns nil.
func (f *fileSource) notLoaded() error {
	if err := f.files.Err(); err != nil {
		return fmt.Errorf("%w: %w", identity.ErrNotLoaded, err)
	}
	return fmt.Errorf("identity source %s: %w", f.name, identity.ErrNotLoaded)
}

// Generation implements Source. It is 0 before the file was first read.
func (f *fileSource) Generation() uint64 {
	if table := f.table.Load(); table != nil {
		return table.generation
	}
	return 0
}

// Len returns how many tokens the file holds, the expired ones included.
func (f *fileSource) Len() int {
	if table := f.table.Load(); table != nil {
		return len(table.identities)
	}
	return 0
}

// warnings say what is unsafe or odd about the file, though it was read: one
// sentence each, without anything that the file holds.
func (f *fileSource) warnings() []string {
	table := f.table.Load()
	if table == nil || f.format != CSV {
		return nil
	}
	warnings := []string{fmt.Sprintf("token file %s holds tokens in clear text: a person that can read it can act as each of its users; format yaml holds hashes", f.path)}
	if mode, ok := f.files.Mode(); ok && readableByOthers(mode) {
		warnings = append(warnings, fmt.Sprintf("token file %s is readable by every user of the machine (mode %04o): chmod o-rwx", f.path, mode.Perm()))
	}
	return append(warnings, table.warnings...)
}

func readableByOthers(mode fs.FileMode) bool {
	const others = 0o004
	return runtime.GOOS != "windows" && mode.Perm()&others != 0 // where modes say nothing
}

// Load reads the file. When that fails, what was read before stays in place. The
// error lists every mistake, with its line and path.
func (f *fileSource) Load() error { return f.files.Load() }

// Err returns why the latest reading failed, nil when it did not.
func (f *fileSource) Err() error { return f.files.Err() }

// Watch loads the file and loads it again when it changes, until ctx is done:
// within a second where the file system reports events, else within three.
//
// onReload is called after what the file says was taken over. onError is called
// when the file cannot be read or is bad, once for each different cause; the
// tokens of the last good file stay in place. It is also told, once, when the
// file system's events are not available. Both are called from the calling
// goroutine; no goroutine is left on return.
func (f *fileSource) Watch(ctx context.Context, onReload func(), onError func(error)) {
	f.files.Watch(ctx, onReload, onError)
}

// take makes content what tokens are verified against.
func (f *fileSource) take(contents [][]byte) (changed bool, err error) {
	current := f.table.Load()
	entries, warnings, err := parsers[f.format](f.path, contents[0])
	if err != nil {
		return false, err
	}
	next := &tokenTable{generation: 1, warnings: warnings, identities: make(map[sealer.Key]identity.Identity, len(entries))}
	if current != nil {
		next.generation = current.generation + 1
	}
	for _, entry := range entries {
		key, err := userlist.Key(f.keys, entry)
		if err == nil {
			next.identities[key], err = entry.Identity(f.name, typeName)
		}
		if err != nil {
			return false, fmt.Errorf("token file %s: %w", f.path, err)
		}
	}
	f.table.Store(next)
	return true, nil
}
