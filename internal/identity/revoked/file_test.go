package revoked

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/identitytest"
	"github.com/verdict-dev/verdict/policy/identity"
)

func TestRevokedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revoked.yaml")
	identitytest.Write(t, path, "subjects: [{subject: alice}]\n")
	var mutex sync.Mutex
	var lengths []int
	file := New(path, func(revoked *identity.Revoked) {
		mutex.Lock()
		defer mutex.Unlock()
		lengths = append(lengths, revoked.Len())
	})
	identitytest.Must(t, file.Load())
	identitytest.Must(t, file.Load()) // the same again is no change

	ctx, stop := context.WithCancel(t.Context())
	changes, faults := make(chan struct{}, 10), make(chan error, 10)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		file.Watch(ctx, func() { changes <- struct{}{} }, func(err error) { faults <- err })
	}()
	replace := func(text string) {
		t.Helper()
		identitytest.Must(t, os.WriteFile(path+".new", []byte(text), 0o600))
		identitytest.Must(t, os.Rename(path+".new", path))
	}
	replace("subjects: [{subject: alice}, {subject: bob}]\n")
	wait(t, changes)
	replace("subjects: [{subject: }]\n")
	if err := wait(t, faults); !strings.Contains(err.Error(), "subjects[0].subject is missing") {
		t.Errorf("fault %v", err)
	}
	if status := file.Status(); !strings.Contains(status, "the newest change was refused") {
		t.Errorf("status %q", status)
	}
	replace("subjects: []\n")
	wait(t, changes)
	if status := file.Status(); !strings.HasSuffix(status, ": 0 entries") {
		t.Errorf("status %q", status)
	}
	stop()
	wait(t, ended)
	mutex.Lock()
	defer mutex.Unlock()
	if len(lengths) != 3 || lengths[0] != 1 || lengths[1] != 2 || lengths[2] != 0 {
		t.Errorf("lists of %v entries were set, want 1, 2, 0", lengths)
	}
}

func TestRevokedFileThatIsNotThere(t *testing.T) {
	file := New(filepath.Join(t.TempDir(), "absent.yaml"), func(*identity.Revoked) { t.Error("something was revoked") })
	if err := file.Load(); err == nil || !strings.Contains(err.Error(), "create it") {
		t.Errorf("error %v", err)
	}
}

func wait[T any](t *testing.T, channel <-chan T) T {
	t.Helper()
	select {
	case value := <-channel:
		return value
	case <-time.After(20 * time.Second):
		t.Fatal("nothing happened")
		panic("unreachable")
	}
}
