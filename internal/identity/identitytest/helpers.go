package identitytest

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/policy/identity"
)

// Patience is how long a test waits for what must come.
const Patience = 20 * time.Second

// Noon is what the clock of a test says.
var Noon = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

// Watched is what a watcher of files reported.
type Watched struct {
	Reloads chan struct{}
	Errors  chan error
}

// Reload waits for a reload.
func (w *Watched) Reload(t *testing.T) {
	t.Helper()
	select {
	case <-w.Reloads:
	case err := <-w.Errors:
		t.Fatalf("error %v, want a reload", err)
	case <-time.After(Patience):
		t.Fatal("no reload")
	}
}

// Error waits for an error with that text.
func (w *Watched) Error(t *testing.T, part string) {
	t.Helper()
	select {
	case <-w.Reloads:
		t.Fatalf("a reload, want an error with %q", part)
	case err := <-w.Errors:
		if !strings.Contains(err.Error(), part) {
			t.Fatalf("error %v, want one with %q", err, part)
		}
	case <-time.After(Patience):
		t.Fatalf("no error, want one with %q", part)
	}
}

// Must fails the test when there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Write makes a file.
func Write(t *testing.T, path, text string) {
	t.Helper()
	Must(t, os.WriteFile(path, []byte(text), 0o600))
}

// Claims are claims of that JSON form.
func Claims(t *testing.T, values map[string]any) identity.Claims {
	t.Helper()
	made, err := identity.ClaimsOf(values)
	Must(t, err)
	return made
}

// SortedJSON is the JSON text with the names of each object in order.
func SortedJSON(t *testing.T, text string) string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	Must(t, decoder.Decode(&value))
	sorted, err := json.Marshal(value)
	Must(t, err)
	return string(sorted)
}

// SameClaims reports whether both say the same, in whatever order.
func SameClaims(t *testing.T, a, b identity.Claims) bool {
	t.Helper()
	return !a.IsZero() && !b.IsZero() && SortedJSON(t, a.Text()) == SortedJSON(t, b.Text())
}

// ErrAway is the fault of a host that cannot be reached.
var ErrAway = errors.New("the host is away")

// Zeros is a hash whose YAML form looks like a number.
var Zeros = strings.Repeat("0", 64)

// Unix is a number of seconds since 1970, from noon on.
func Unix(from time.Duration) int64 { return Noon.Add(from).Unix() }

// Digests of no known token.
const (
	HashA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	HashB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// Quiet is a log that is thrown away.
func Quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// ErrorAmongOthers waits for an error with that text, whatever else comes first.
func (w *Watched) ErrorAmongOthers(t *testing.T, part string) {
	t.Helper()
	deadline := time.After(Patience)
	for {
		select {
		case <-w.Reloads:
		case err := <-w.Errors:
			if strings.Contains(err.Error(), part) {
				return
			}
		case <-deadline:
			t.Fatalf("no error with %q", part)
		}
	}
}
