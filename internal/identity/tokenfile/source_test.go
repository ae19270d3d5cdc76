package tokenfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/verdict-dev/verdict/internal/filewatch"
	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/internal/identity/sources"
	"github.com/verdict-dev/verdict/internal/identity/userlist"
	"github.com/verdict-dev/verdict/policy/identity"
)

// fileOf is the text of a token file with one user a token, named like it.
func fileOf(t *testing.T, tokens ...string) string {
	t.Helper()
	var entries []userlist.Entry
	for _, token := range tokens {
		entries = append(entries, userlist.NewEntry(token, "user-"+token))
	}
	text, err := FormatFile(entries...)
	identitytest.Must(t, err)
	return string(text)
}

func newFile(t *testing.T, path string) *fileSource {
	t.Helper()
	f, err := newSource("local", path, func() time.Time { return identitytest.Noon })
	identitytest.Must(t, err)
	return f
}

func TestTokenFileVerify(t *testing.T) {
	full := userlist.NewEntry("full", "alice")
	full.UID, full.Groups, full.Audiences = "7", []string{"dev", "ops"}, []string{"api"}
	full.Extra = map[string][]string{"a": {"b", "c"}, "none": nil}
	full.Expires = identitytest.Noon.Add(time.Hour)
	expired, expiring, valid := userlist.NewEntry("expired", "e"), userlist.NewEntry("expiring", "e"), userlist.NewEntry("valid", "e")
	expired.Expires, expiring.Expires, valid.Expires = identitytest.Noon.Add(-time.Nanosecond), identitytest.Noon, identitytest.Noon.Add(time.Nanosecond)
	text, err := FormatFile(full, userlist.NewEntry("plain", "system:admin"), expired, expiring, valid, userlist.NewEntry("", "empty"))
	identitytest.Must(t, err)
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	identitytest.Write(t, path, string(text))
	f := newFile(t, path)
	identitytest.Must(t, f.Load())

	if got := f.Len(); got != 6 {
		t.Errorf("%d tokens, want 6", got)
	}
	known := map[string]identity.Identity{
		"full": {
			Source: "local", Type: "tokenFile", Subject: "alice",
			Claims: identitytest.Claims(t, map[string]any{
				"username": "alice", "uid": "7", "groups": []any{"dev", "ops"},
				"extra": map[string]any{"a": []any{"b", "c"}, "none": []any{}},
			}),
			Audiences: []string{"api"}, Expires: identitytest.Noon.Add(time.Hour),
		},
		"plain": {Source: "local", Type: "tokenFile", Subject: "system:admin", Claims: identitytest.Claims(t, map[string]any{"username": "system:admin"})},
		"valid": {Source: "local", Type: "tokenFile", Subject: "e", Claims: identitytest.Claims(t, map[string]any{"username": "e"}), Expires: identitytest.Noon.Add(time.Nanosecond)},
	}
	for token, want := range known {
		t.Run("known: "+token, func(t *testing.T) {
			got, err := f.Verify(t.Context(), sources.ParseToken(token))
			identitytest.Must(t, err)
			if !identitytest.SameClaims(t, got.Claims, want.Claims) {
				t.Errorf("got other claims: %+v", got)
			}
			got.Claims, want.Claims = identity.Claims{}, identity.Claims{}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got %+v\nwant %+v", got, want)
			}
		})
	}
	unknown := map[string]string{
		"another":         "other",
		"nearly":          "plain ",
		"in another case": "PLAIN",
		"the hash itself": full.SHA256,
		"expired":         "expired",
		"expires now":     "expiring",
		"with a zero":     "plain\x00",
	}
	for name, token := range unknown {
		t.Run("unknown: "+name, func(t *testing.T) {
			got, err := f.Verify(t.Context(), sources.ParseToken(token))
			if !errors.Is(err, identity.ErrUnknownToken) {
				t.Errorf("got %+v, %v, want %v", got, err, identity.ErrUnknownToken)
			}
			if !reflect.DeepEqual(got, identity.Identity{}) {
				t.Errorf("an identity beside the error: %+v", got)
			}
		})
	}
}

func TestTokenFileOfTheLargestToken(t *testing.T) {
	token := strings.Repeat("a", sources.DefaultTokenBytes)
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	identitytest.Write(t, path, fileOf(t, token))
	f := newFile(t, path)
	identitytest.Must(t, f.Load())
	if _, err := f.Verify(t.Context(), sources.ParseToken(token)); err != nil {
		t.Errorf("a token at the limit: %v", err)
	}
}

func TestTokenFileBeforeLoading(t *testing.T) {
	f := newFile(t, filepath.Join(t.TempDir(), "tokens.yaml"))
	if err := f.Ready(); err == nil || !strings.Contains(err.Error(), "local") {
		t.Errorf("Ready returns %v, want what is missing", err)
	}
	if _, err := f.Verify(t.Context(), sources.ParseToken("token")); err == nil || errors.Is(err, identity.ErrUnknownToken) {
		t.Errorf("Verify returns %v, want a fault: nothing is known of the token", err)
	}
	if f.Generation() != 0 || f.Len() != 0 {
		t.Errorf("generation %d and %d tokens before anything was read", f.Generation(), f.Len())
	}
}

func TestTokenFileLoadErrors(t *testing.T) {
	tests := map[string]struct {
		make func(t *testing.T, path string)
		is   error
		want string
	}{
		"missing":    {make: func(*testing.T, string) {}, is: fs.ErrNotExist, want: "does not exist"},
		"bad":        {make: func(t *testing.T, path string) { identitytest.Write(t, path, "tokens: [{}]") }, want: ":1:10: tokens[0].sha256: is missing"},
		"a folder":   {make: func(t *testing.T, path string) { identitytest.Must(t, os.Mkdir(path, 0o750)) }, want: "not a regular file"},
		"a pipe":     {make: func(t *testing.T, path string) { identitytest.Must(t, syscall.Mkfifo(path, 0o600)) }, want: "not a regular file"},
		"unreadable": {make: func(t *testing.T, path string) { identitytest.Must(t, os.Symlink(path, path)) }, is: syscall.ELOOP, want: "tokens.yaml"},
		"oversized": {make: func(t *testing.T, path string) {
			identitytest.Write(t, path, "")
			identitytest.Must(t, os.Truncate(path, maxTokenFileBytes+1))
		}, want: "more than 16777216 bytes"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tokens.yaml")
			test.make(t, path)
			f := newFile(t, path)
			err := f.Load()
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "local") {
				t.Fatalf("got %v, want the source, the path and %q", err, test.want)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is not %v", err, test.is)
			}
			if !errors.Is(f.Err(), err) || !errors.Is(f.Ready(), err) {
				t.Errorf("Err returns %v, Ready %v, want what Load returned", f.Err(), f.Ready())
			}
		})
	}
}

func TestTokenFileKeepsTheLastGoodOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	f := newFile(t, path)
	steps := []struct {
		name       string
		text       string // empty: the file is removed
		bad        bool
		generation uint64
		known      string
		unknown    string
	}{
		{name: "good", text: fileOf(t, "a"), generation: 1, known: "a", unknown: "b"},
		{name: "the same", text: fileOf(t, "a"), generation: 1, known: "a", unknown: "b"},
		{name: "bad", text: "tokens: [", bad: true, generation: 1, known: "a", unknown: "b"},
		{name: "missing", bad: true, generation: 1, known: "a", unknown: "b"},
		{name: "the good one is back", text: fileOf(t, "a"), generation: 1, known: "a", unknown: "b"},
		{name: "another user", text: fileOf(t, "b"), generation: 2, known: "b", unknown: "a"},
	}
	for _, step := range steps {
		if step.text == "" {
			identitytest.Must(t, os.Remove(path))
		} else {
			identitytest.Write(t, path, step.text)
		}
		err := f.Load()
		if (err != nil) != step.bad || !errors.Is(f.Err(), err) {
			t.Errorf("%s: Load returns %v, Err %v", step.name, err, f.Err())
		}
		if err := f.Ready(); err != nil {
			t.Errorf("%s: not ready: %v", step.name, err)
		}
		if got := f.Generation(); got != step.generation {
			t.Errorf("%s: generation %d, want %d", step.name, got, step.generation)
		}
		if _, err := f.Verify(t.Context(), sources.ParseToken(step.known)); err != nil {
			t.Errorf("%s: %s: %v", step.name, step.known, err)
		}
		if _, err := f.Verify(t.Context(), sources.ParseToken(step.unknown)); !errors.Is(err, identity.ErrUnknownToken) {
			t.Errorf("%s: %s: %v", step.name, step.unknown, err)
		}
	}
}

func TestTokenFileErrorsShowNoToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	const token = "vdt_secret"
	entry := userlist.NewEntry(token, "a")
	entry.Expires = identitytest.Noon.Add(-time.Hour)
	text, err := FormatFile(entry)
	identitytest.Must(t, err)
	identitytest.Write(t, path, string(text))
	f := newFile(t, path)
	identitytest.Must(t, f.Load())
	for _, token := range []string{token, "vdt_other"} {
		if _, err := f.Verify(t.Context(), sources.ParseToken(token)); err == nil || strings.Contains(err.Error(), token) || strings.Contains(err.Error(), entry.SHA256) {
			t.Errorf("got %v, want an error without the token and its hash", err)
		}
	}
}

func watch(t *testing.T, f *fileSource) *identitytest.Watched {
	t.Helper()
	w := &identitytest.Watched{Reloads: make(chan struct{}, 100), Errors: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		f.Watch(ctx, func() { w.Reloads <- struct{}{} }, func(err error) { w.Errors <- err })
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return w
}

// byEvents is a Source that polling does not help.
func byEvents(t *testing.T, path string) *fileSource {
	t.Helper()
	f := newFile(t, path)
	f.files.Watching = filewatch.Options{Poll: time.Hour, FastPoll: time.Hour}
	return f
}

func TestTokenFileWatch(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tokens.yaml")
	replace := func(text string) {
		t.Helper()
		identitytest.Write(t, filepath.Join(dir, "new"), text)
		identitytest.Must(t, os.Rename(filepath.Join(dir, "new"), path))
	}
	replace(fileOf(t, "a"))
	f := byEvents(t, path)
	w := watch(t, f)
	w.Reload(t)

	replace("tokens: [{}]")
	w.Error(t, "tokens[0].sha256")
	if _, err := f.Verify(t.Context(), sources.ParseToken("a")); err != nil {
		t.Errorf("a bad file took the place of a good one: %v", err)
	}
	replace(fileOf(t, "b"))
	w.Reload(t)
	if _, err := f.Verify(t.Context(), sources.ParseToken("b")); err != nil {
		t.Error(err)
	}
	identitytest.Must(t, os.Remove(path))
	w.Error(t, "does not exist")
	replace(fileOf(t, "c"))
	w.Reload(t)
	if _, err := f.Verify(t.Context(), sources.ParseToken("c")); err != nil {
		t.Error(err)
	}
	if err := f.Err(); err != nil {
		t.Errorf("Err returns %v after a good reload", err)
	}
}

func TestTokenFileWatchSeesASecretUpdate(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tokens.yaml")
	// As the kubelet does: files in a folder of their own, swapped by a link.
	version, old := 0, ""
	swap := func(text string) {
		t.Helper()
		version++
		folder := fmt.Sprintf("..2026_01_02_03_04_05.%d", version)
		identitytest.Must(t, os.Mkdir(filepath.Join(dir, folder), 0o750))
		identitytest.Write(t, filepath.Join(dir, folder, "tokens.yaml"), text)
		identitytest.Must(t, os.Symlink(folder, filepath.Join(dir, "..data_tmp")))
		identitytest.Must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		if old != "" {
			identitytest.Must(t, os.RemoveAll(filepath.Join(dir, old)))
		}
		old = folder
	}
	swap(fileOf(t, "a"))
	identitytest.Must(t, os.Symlink("..data/tokens.yaml", path))
	f := byEvents(t, path)
	w := watch(t, f)
	w.Reload(t)
	for _, token := range []string{"b", "c"} {
		swap(fileOf(t, token))
		w.Reload(t)
		if _, err := f.Verify(t.Context(), sources.ParseToken(token)); err != nil {
			t.Errorf("%s: %v", token, err)
		}
	}
}

// TestTokenFileWatchByPolling runs on synthetic time, which real events would
// not follow.
func TestTokenFileWatchByPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tokens.yaml")
		put := func(text string) {
			t.Helper()
			identitytest.Write(t, path, text)
			identitytest.Must(t, os.Chtimes(path, time.Time{}, time.Now())) // the bubble's time
		}
		f, err := newSource("local", path, nil)
		identitytest.Must(t, err)
		f.files.Watching.NoEvents = true
		w := watch(t, f)
		step := func(reloads, faults int) {
			t.Helper()
			time.Sleep(2*time.Second + time.Millisecond)
			synctest.Wait()
			if len(w.Reloads) != reloads || len(w.Errors) != faults {
				t.Fatalf("%d reloads and %d errors, want %d and %d", len(w.Reloads), len(w.Errors), reloads, faults)
			}
		}
		step(0, 1)
		step(0, 1) // an error that lasts is told once
		put(fileOf(t, "a"))
		step(1, 1)
		put(fileOf(t, "b"))
		step(2, 1)
		// Written again in place, with the same size and time as what was read.
		identitytest.Write(t, path, fileOf(t, "c"))
		identitytest.Must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-2*time.Second-time.Millisecond)))
		step(3, 1)
		put(fileOf(t, "c"))
		step(3, 1) // only the time differs
		identitytest.Must(t, os.Remove(path))
		step(3, 2)
	})
}

func TestTokenFileVerifiesWhileReloading(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	texts := []string{fileOf(t, "both", "a"), fileOf(t, "both", "b")}
	identitytest.Write(t, path, texts[0])
	f := newFile(t, path)
	identitytest.Must(t, f.Load())
	done := make(chan struct{})
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for generation := uint64(0); ; {
				select {
				case <-done:
					return
				default:
				}
				if _, err := f.Verify(t.Context(), sources.ParseToken("both")); err != nil {
					t.Errorf("a token in every state of the file: %v", err)
					return
				}
				now := f.Generation()
				if now < generation {
					t.Errorf("the generation went back from %d to %d", generation, now)
					return
				}
				generation = now
			}
		})
	}
	for i := range 100 {
		identitytest.Write(t, path, texts[(i+1)%2])
		identitytest.Must(t, f.Load())
	}
	close(done)
	running.Wait()
	if got := f.Generation(); got != 101 {
		t.Errorf("generation %d after 101 states, want 101", got)
	}
}

func BenchmarkTokenFileVerify(b *testing.B) {
	path := filepath.Join(b.TempDir(), "tokens.yaml")
	var entries []userlist.Entry
	for i := range 5_000 {
		entries = append(entries, userlist.NewEntry(fmt.Sprint(i), "user"))
	}
	text, err := FormatFile(entries...)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := newSource("local", path, nil)
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Load(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Verify(b.Context(), sources.ParseToken("1234")); err != nil {
			b.Fatal(err)
		}
	}
}
