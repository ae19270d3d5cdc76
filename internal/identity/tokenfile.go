package identity

import (
	"context"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/verdict-dev/verdict/internal/filewatch"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/sealer"
)

// TokenFileType is the Type of the identities that a TokenFile verifies.
const TokenFileType = "tokenFile"

// maxTokenFileBytes leaves room for some 50,000 users.
const maxTokenFileBytes = 16 << 20

// TokenFileFormat is the form of a token file.
type TokenFileFormat string

// The values of TokenFileFormat.
const (
	// TokenFileYAML lists hashes of tokens.
	TokenFileYAML TokenFileFormat = "yaml"
	// TokenFileCSV is that of kube-apiserver's --token-auth-file: the token
	// itself, username, uid, and optionally groups in one column.
	TokenFileCSV TokenFileFormat = "csv"
)

// parsers of the formats.
var tokenFileParsers = map[TokenFileFormat]func(name string, content []byte) (entries []Entry, warnings []string, err error){
	TokenFileYAML: func(name string, content []byte) ([]Entry, []string, error) {
		entries, err := parseTokens(name, content)
		return entries, nil, err
	},
	TokenFileCSV: parseTokensCSV,
}

// TokenFile verifies tokens against a YAML file that lists their hashes:
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
// file with tokens in clear text, TokenFileCSV, it keeps no more than that.
//
// The methods may be called from several goroutines.
type TokenFile struct {
	files  filewatch.Files
	now    func() time.Time
	name   string
	path   string
	format TokenFileFormat
	keys   *sealer.Sealer
	table  atomic.Pointer[tokenTable]
}

var _ Source = (*TokenFile)(nil)

// tokenTable is what one state of the file says. It never changes.
type tokenTable struct {
	generation uint64
	warnings   []string
	identities map[sealer.Key]identity.Identity
}

// TokenFileOption is something a TokenFile can do without.
type TokenFileOption func(*TokenFile)

// WithFormat says which form the file has. Default TokenFileYAML.
func WithFormat(format TokenFileFormat) TokenFileOption {
	return func(f *TokenFile) { f.format = format }
}

// NewTokenFile returns the source called name that verifies against the file at
// path. Nothing is read before Load or Watch. now is the clock that tokens
// expire by; nil means time.Now.
func NewTokenFile(name, path string, now func() time.Time, options ...TokenFileOption) (*TokenFile, error) {
	if now == nil {
		now = time.Now
	}
	f := &TokenFile{name: name, path: path, now: now, format: TokenFileYAML, keys: sealer.New()}
	f.files = filewatch.Files{
		Subject: "identity source " + name, Paths: []string{path}, Kind: "token file", Create: "create it (verdict token new prints an entry)",
		Limit: maxTokenFileBytes, Now: now, Take: f.take,
	}
	for _, option := range options {
		option(f)
	}
	if tokenFileParsers[f.format] == nil {
		return nil, fmt.Errorf("identity source %s: a token file cannot have the format %q", name, f.format)
	}
	return f, nil
}

// Name implements Source.
func (f *TokenFile) Name() string { return f.name }

// Applies implements Source: a file may list any token.
func (f *TokenFile) Applies(*Token) bool { return true }

// Remote implements Source: it is in memory.
func (f *TokenFile) Remote() bool { return false }

// Verify implements Source. What it returns is shared: callers must not change
// the claims or the audiences.
func (f *TokenFile) Verify(_ context.Context, token *Token) (identity.Identity, error) {
	table := f.table.Load()
	if table == nil {
		return identity.Identity{}, f.notLoaded()
	}
	digest := token.SHA256()
	verified, ok := table.identities[f.keys.Key(digest[:])]
	if !ok {
		return identity.Identity{}, identity.ErrUnknownToken
	}
	return whileValid(verified, f.now())
}

// Ready implements Source: it returns nil once the file was read. A later file
// that is bad leaves the earlier one in place, and Err says so.
func (f *TokenFile) Ready() error {
	if f.table.Load() != nil {
		return nil
	}
	return f.notLoaded()
}

// notLoaded says why there is no table. It never returns nil.
func (f *TokenFile) notLoaded() error {
	if err := f.files.Err(); err != nil {
		return fmt.Errorf("%w: %w", identity.ErrNotLoaded, err)
	}
	return fmt.Errorf("identity source %s: %w", f.name, identity.ErrNotLoaded)
}

// Generation implements Source. It is 0 before the file was first read.
func (f *TokenFile) Generation() uint64 {
	if table := f.table.Load(); table != nil {
		return table.generation
	}
	return 0
}

// Len returns how many tokens the file holds, the expired ones included.
func (f *TokenFile) Len() int {
	if table := f.table.Load(); table != nil {
		return len(table.identities)
	}
	return 0
}

// Warnings say what is unsafe or odd about the file, though it was read: one
// sentence each, without anything that the file holds.
func (f *TokenFile) Warnings() []string {
	table := f.table.Load()
	if table == nil || f.format != TokenFileCSV {
		return nil
	}
	warnings := []string{fmt.Sprintf("token file %s holds tokens in clear text: whoever reads it is all of its users; format yaml holds hashes", f.path)}
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
func (f *TokenFile) Load() error { return f.files.Load() }

// Err returns why the latest reading failed, nil when it did not.
func (f *TokenFile) Err() error { return f.files.Err() }

// Watch loads the file and loads it again when it changes, until ctx is done:
// within a second where the file system reports events, else within three.
//
// onReload is called after what the file says was taken over. onError is called
// when the file cannot be read or is bad, once for each different cause; the
// tokens of the last good file stay in place. It is also told, once, when the
// file system's events are not available. Both are called from the calling
// goroutine; no goroutine is left on return.
func (f *TokenFile) Watch(ctx context.Context, onReload func(), onError func(error)) {
	f.files.Watch(ctx, onReload, onError)
}

// take makes content what tokens are verified against.
func (f *TokenFile) take(contents [][]byte) (changed bool, err error) {
	current := f.table.Load()
	entries, warnings, err := tokenFileParsers[f.format](f.path, contents[0])
	if err != nil {
		return false, err
	}
	next := &tokenTable{generation: 1, warnings: warnings, identities: make(map[sealer.Key]identity.Identity, len(entries))}
	if current != nil {
		next.generation = current.generation + 1
	}
	for _, entry := range entries {
		key, err := keyOfEntry(f.keys, entry)
		if err == nil {
			next.identities[key], err = entry.identity(f.name, TokenFileType)
		}
		if err != nil {
			return false, fmt.Errorf("token file %s: %w", f.path, err)
		}
	}
	f.table.Store(next)
	return true, nil
}
