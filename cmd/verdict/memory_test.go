package main

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/handlers"
	"github.com/verdict-dev/verdict/internal/config"
)

// shipped is the manifests that ship, with a limit and what Go is told of it.
var shipped = []string{"deploy/kubernetes/deployment.yaml", "deploy/static-pod/verdict.yaml"}

type manifest struct {
	Spec struct {
		Containers []container `json:"containers"`
		Template   struct {
			Spec struct {
				Containers []container `json:"containers"`
			} `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
}

type container struct {
	Env       []struct{ Name, Value string } `json:"env"`
	Resources struct {
		Limits map[string]resource.Quantity `json:"limits"`
	} `json:"resources"`
}

// memoryLimits reads the limit of the container, and GOMEMLIMIT.
func memoryLimits(t *testing.T, file string) (limit int64, goLimit string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../..", file))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(content), "\n---\n")
	var m manifest
	if err := yaml.Unmarshal([]byte(first), &m); err != nil {
		t.Fatal(err)
	}
	containers := slices.Concat(m.Spec.Containers, m.Spec.Template.Spec.Containers)
	if len(containers) != 1 {
		t.Fatalf("%s has %d containers", file, len(containers))
	}
	for _, variable := range containers[0].Env {
		if variable.Name == "GOMEMLIMIT" {
			goLimit = variable.Value
		}
	}
	quantity := containers[0].Resources.Limits["memory"]
	return quantity.Value(), goLimit
}

func TestShippedMemoryLimits(t *testing.T) {
	for _, file := range shipped {
		limit, goLimit := memoryLimits(t, file)
		mebibytes, err := strconv.ParseInt(strings.TrimSuffix(goLimit, "MiB"), 10, 64)
		if err != nil {
			t.Fatalf("%s: GOMEMLIMIT is %q", file, goLimit)
		}
		if share := float64(mebibytes<<20) / float64(limit); share < 0.85 || share > 0.9 {
			t.Errorf("%s: GOMEMLIMIT is %.3f of the limit, want nine tenths", file, share)
		}
	}
}

// TestDefaultBounds: handlers have the same ones where they are told none.
func TestDefaultBounds(t *testing.T) {
	server := config.Default().Server
	if server.Limits.ReviewValues != handlers.DefaultReviewValues || server.Limits.SchedulingValues != handlers.DefaultSchedulingValues ||
		server.Limits.ObjectValues != handlers.DefaultObjectValues || server.MaxBytesInFlight != handlers.DefaultBytesInFlight {
		t.Errorf("the configuration has %+v", server)
	}
}

// readsAll makes everything of a request a value.
const readsAll = `package kubernetes.authorization

allow contains sprintf("%d values", [n]) if n := count([1 | walk(input)])
`

const placesAll = `package kubernetes.scheduling

reject contains "full" if count([1 | walk(input)]) == 0
`

func listOf(value string, n int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(value+",", n), ",") + "]"
}

func accessReview(requirement string) string {
	return `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"alice","resourceAttributes":{"verb":"list","labelSelector":{"requirements":[` + requirement + `]}}}}`
}

func inValues(values string) string {
	return accessReview(`{"key":"a","operator":"In","values":` + values + `}`)
}

func manyKeys(n int) string {
	var b bytes.Buffer
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + strconv.Itoa(i) + `":0`)
	}
	return b.String()
}

// load is many requests at once.
type load struct {
	name, path, body string
	at               int // requests at a time
}

func loads() []load {
	const mebibyte = 1 << 20
	half := 31 * mebibyte
	return []load{
		{"64 reviews of empty strings", "/authorize", inValues(listOf(`""`, 345_000)), 64},
		{"160 reviews of empty strings", "/authorize", inValues(listOf(`""`, 345_000)), 160},
		{"160 reviews of as many as may be", "/authorize", inValues(listOf(`""`, 19_900)), 160},
		{"160 reviews of one long string", "/authorize", inValues(`["` + strings.Repeat(`\n`, 510_000) + `"]`), 160},
		{"160 reviews of small objects", "/authorize", accessReview(listOf(`{"":[]}`, 9_000)), 160},
		{"64 reviews of members", "/authorize", `{"x":{` + manyKeys(90_000) + `}}`, 64},
		{"64 reviews of long numbers", "/authorize", inValues(listOf(strings.Repeat("9", 127), 8_000)), 64},
		{"64 reviews that nest", "/authorize", inValues(strings.Repeat("[", 1_000_000)), 64},
		{"a pod of numbers", "/scheduler/filter", `{"Pod":{"x":` + listOf("1", half) + `},"NodeNames":["a"]}`, 1},
		{"pods of numbers", "/scheduler/filter", `{"Pod":{"x":` + listOf("1", half) + `},"NodeNames":["a"]}`, 6},
		{"pods of as many as may be", "/scheduler/filter", `{"Pod":{"x":` + listOf("1", 99_000) + `},"Nodes":{"items":[{"metadata":{"name":"a"}}]}}`, 40},
		{"what nobody reads", "/scheduler/prioritize", `{"Pod":{},"NodeNames":["a"],"x":` + listOf("1", half) + `}`, 3},
		{"a million members", "/scheduler/filter", `{"Pod":{},"NodeNames":["a"],` + manyKeys(mebibyte) + `}`, 6},
		{"a pod with a million members", "/scheduler/filter", `{"Pod":{` + manyKeys(mebibyte) + `},"NodeNames":["a"]}`, 6},
		{"names", "/scheduler/filter", `{"Pod":{},"NodeNames":` + listOf(`"n"`, 3_900_000) + `}`, 4},
		{"nodes", "/scheduler/filter", `{"Pod":{},"Nodes":{"items":` + listOf(`{"metadata":{"name":"n"}}`, 900_000) + `}}`, 4},
		{"victims", "/scheduler/preempt", `{"Pod":{},"NodeNameToMetaVictims":{"n":{"Pods":` + listOf(`{"UID":"u"}`, 1_900_000) + `}}}`, 4},
	}
}

// TestNoBodyEndsTheProcess runs verdict as it ships, with the limit that ships,
// under bodies that become much more than they are.
func TestNoBodyEndsTheProcess(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	limit, goLimit := memoryLimits(t, shipped[0])
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "policy", "a.rego"), readsAll)
	writeFile(t, filepath.Join(dir, "policy", "s.rego"), placesAll)
	file := writeFile(t, filepath.Join(dir, "verdict.yaml"), `apiVersion: verdict.dev/v1alpha1
kind: Configuration
server: {plainHTTP: true}
policy: {directories: [policy]}
log: {level: error}
`)
	command := verdict(t, dir, "serve", "--config", file, "--address", "127.0.0.1:0", "--operations-address", "127.0.0.1:0")
	// Not this binary: the race detector takes several times the memory.
	command.Path = shippedBinary(t)
	command.Env = append(command.Env, "GOMEMLIMIT="+goLimit)
	p := start(t, command)

	ordinary := accessReview(`{"key":"a","operator":"In","values":["b"]}`)
	for _, l := range loads() {
		t.Run(l.name, func(t *testing.T) {
			codes := p.flood(t, l, func() {
				began := time.Now()
				if code, answer := p.post("/authorize", ordinary); code != http.StatusOK {
					t.Errorf("an ordinary review is answered %d: %s", code, answer)
				}
				t.Logf("an ordinary review took %s", time.Since(began).Round(time.Millisecond))
			})
			for code, n := range codes {
				switch code {
				case http.StatusOK, http.StatusServiceUnavailable, http.StatusRequestEntityTooLarge, http.StatusBadRequest:
				default:
					t.Errorf("%d requests were answered %d", n, code)
				}
			}
			t.Logf("codes %v, peak %d MiB", codes, p.peak(t)>>20)
		})
	}
	if peak := p.peak(t); peak >= limit {
		t.Errorf("at its peak the process had %d MiB, and the limit is %d", peak>>20, limit>>20)
	}
}

// shippedBinary builds verdict as it ships.
func shippedBinary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "verdict")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// flood sends a load, calls during in the middle of it, and counts the codes.
func (p *process) flood(t *testing.T, l load, during func()) map[int]int {
	t.Helper()
	var requests sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	for range l.at {
		requests.Go(func() {
			code, err := p.send(t, l)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("the request failed: %v", err)
			}
			codes[code]++
		})
	}
	during()
	requests.Wait()
	return codes
}

// send posts a body and checks that a refusal is plain.
func (p *process) send(t *testing.T, l load) (int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.webhooks+l.path, strings.NewReader(l.body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	if response.Header.Get("Retry-After") != "" {
		err = errors.Join(err, errors.New("the answer has a Retry-After header"))
	}
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// peak is the most memory that the process has had so far, in bytes.
func (p *process) peak(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.command.Process.Pid) + "/status")
	if err != nil {
		t.Skipf("this system does not tell what a process has: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kibibytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kibibytes << 10
		}
	}
	t.Skip("this system does not tell the peak of a process")
	return 0
}
