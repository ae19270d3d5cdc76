package controlplane

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestVersionsKey(t *testing.T) {
	const goMod = `module m
require (
	k8s.io/kubernetes v1.37.2
	go.etcd.io/etcd/server/v3 v3.7.0 // indirect
)
replace k8s.io/api => k8s.io/api v0.37.2
`
	key := func(text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "go.mod")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := versionsKey(path)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := key(goMod)
	if want := "kubernetes-v1.37.2-etcd-v3.7.0-"; !strings.HasPrefix(first, want) {
		t.Errorf("key %q, want it to start with %q", first, want)
	}
	for name, test := range map[string]struct {
		text string
		same bool
	}{
		"as it is":                  {goMod, true},
		"a comment":                 {strings.Replace(goMod, " // indirect", "", 1), true},
		"another version of etcd":   {strings.Replace(goMod, "v3.7.0", "v3.7.1", 1), false},
		"another staging module":    {strings.Replace(goMod, "=> k8s.io/api v0.37.2", "=> k8s.io/api v0.37.3", 1), false},
		"one requirement, alone":    {goMod + "require example.com/a v1.0.0\n", false},
		"requirements, turned over": {strings.Replace(goMod, "\tk8s.io/kubernetes v1.37.2\n", "", 1) + "require k8s.io/kubernetes v1.37.2\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := key(test.text); (got == first) != test.same {
				t.Errorf("key %q after %q, want the same: %t", got, first, test.same)
			}
		})
	}
}

func TestVersionsKeyOfAnotherKubernetes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "go.mod")
	text := "require k8s.io/kubernetes v1.38.0\nrequire go.etcd.io/etcd/server/v3 v3.7.0\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if key, err := versionsKey(path); err == nil {
		t.Errorf("key %q, want an error: the stamped version is %s", key, kubernetesVersion)
	}
}

func TestLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := lockFile(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second lock: error %v, want to have waited for it", err)
	}
	unlock()
	again, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
