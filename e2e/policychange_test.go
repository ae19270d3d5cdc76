package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The apiserver of the flags form caches nothing here: each kubectl is
// another question to verdict.
func TestPolicyChange(t *testing.T) {
	arrange(t, shared.WebhookFlags("v1"))
	alice := as(t, "alice")
	file := filepath.Join(shared.PolicyDir(), "authorization.rego")
	original, err := os.ReadFile(file)
	must(t, err)

	const before, after = "secrets of payments are sealed", "secrets of payments are under audit"
	refused(t, alice, []string{before}, "get", "secrets", "--namespace=payments")

	t.Run("an edit changes the next answer", func(t *testing.T) {
		edit(t, file, strings.Replace(string(original), before, after, 1))
		eventually(t, 10*time.Second, func() error {
			result := kubectl(t, alice, "get", "secrets", "--namespace=payments")
			if result.Exit == 0 {
				t.Fatalf("the secrets could be read while the policy was changing: %s", result)
			}
			if !strings.Contains(result.Stderr, after) {
				return fmt.Errorf("no %q in: %s", after, result)
			}
			return nil
		})
	})

	t.Run("what an edit gives is given, and what it takes is taken", func(t *testing.T) {
		edit(t, file, string(original)+"\nallow contains \"for a while\" if resource.resource == \"endpoints\"\n")
		eventually(t, 10*time.Second, func() error {
			if result := kubectl(t, alice, "get", "endpoints", "--namespace=search"); result.Exit != 0 {
				return fmt.Errorf("not yet: %s", result)
			}
			return nil
		})
		edit(t, file, string(original))
		eventually(t, 10*time.Second, func() error {
			if result := kubectl(t, alice, "get", "endpoints", "--namespace=search"); result.Exit == 0 {
				return fmt.Errorf("still: %s", result)
			}
			return nil
		})
	})

	t.Run("a broken edit changes nothing", func(t *testing.T) {
		errorsBefore := metric(t, "verdict_policy_reload_errors_total")
		edit(t, file, strings.Replace(string(original), "deny contains \""+before, "deny contain \""+after, 1))
		eventually(t, 10*time.Second, func() error {
			if now := metric(t, "verdict_policy_reload_errors_total"); now <= errorsBefore {
				return fmt.Errorf("verdict_policy_reload_errors_total is %v, as before", now)
			}
			return nil
		})
		refused(t, alice, []string{before}, "get", "secrets", "--namespace=payments")
		allowed(t, alice, "get", "pods", "--namespace=payments")

		place := regexp.MustCompile(`authorization\.rego:\d+:\d+`)
		if log := shared.VerdictLog(); !place.MatchString(log) {
			t.Errorf("the log does not say where the mistake is, as authorization.rego:line:column")
		}
		if ready := fetch(t, "/readyz?verbose"); !place.MatchString(ready) {
			t.Errorf("/readyz?verbose does not say where the mistake is, as authorization.rego:line:column: %s", ready)
		}
	})

	t.Run("a repaired edit takes effect", func(t *testing.T) {
		edit(t, file, strings.Replace(string(original), before, after, 1))
		eventually(t, 10*time.Second, func() error {
			if result := kubectl(t, alice, "get", "secrets", "--namespace=payments"); !strings.Contains(result.Stderr, after) {
				return fmt.Errorf("no %q in: %s", after, result)
			}
			return nil
		})
	})
}

// edit replaces a file as editors do: a new one is renamed over it.
func edit(t *testing.T, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	must(t, err)
	if string(old) == text {
		t.Fatalf("the edit of %s changes nothing", filepath.Base(path))
	}
	scratch := path + "~"
	must(t, os.WriteFile(scratch, []byte(text), 0o600))
	must(t, os.Rename(scratch, path))
}

// fetch gets a page of verdict's operations address, whatever its status.
func fetch(t *testing.T, path string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, shared.OperationsURL()+path, nil)
	must(t, err)
	response, err := http.DefaultClient.Do(request)
	must(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(t, err)
	return string(body)
}

// metric is the sum of a metric over its labels; it must be there.
func metric(t *testing.T, name string) float64 {
	t.Helper()
	var sum float64
	found := false
	for line := range strings.Lines(fetch(t, "/metrics")) {
		fields := strings.Fields(line)
		if len(fields) < 2 || (fields[0] != name && !strings.HasPrefix(fields[0], name+"{")) {
			continue
		}
		value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		must(t, err)
		sum, found = sum+value, true
	}
	if !found {
		t.Fatalf("/metrics has no %s", name)
	}
	return sum
}
