package controlplane

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// kubernetesVersion is stamped into the binaries: kubectl and the apiserver
// parse it at run time. It is checked against go.mod before a build.
const kubernetesVersion = "v1.37.2"

const linkerFlags = "-s -w" +
	" -X k8s.io/component-base/version.gitVersion=" + kubernetesVersion +
	" -X k8s.io/component-base/version.gitMajor=1" +
	" -X k8s.io/component-base/version.gitMinor=37"

// Binaries are absolute paths of the control plane's programs.
type Binaries struct {
	Etcd      string
	APIServer string
	Scheduler string
	Kubectl   string
}

// programs maps a file name in the cache to the package it is built from.
var programs = map[string]string{
	"etcd":           "go.etcd.io/etcd/server/v3",
	"kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
	"kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
	"kubectl":        "k8s.io/kubernetes/cmd/kubectl",
}

// cachedBinaries returns the control plane's programs from the cache of this module,
// building them first when the versions in go.mod have no complete set there.
// That takes minutes the first time, so what is being done is said on progress.
// Runs that build at the same time wait for each other.
func cachedBinaries(ctx context.Context, progress io.Writer) (Binaries, error) {
	module, err := moduleDir(ctx)
	if err != nil {
		return Binaries{}, err
	}
	key, err := versionsKey(filepath.Join(module, "go.mod"))
	if err != nil {
		return Binaries{}, err
	}
	cache := filepath.Join(module, ".cache")
	dir := filepath.Join(cache, key)
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Binaries{}, fmt.Errorf("make the binary cache: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return Binaries{}, err
	}
	defer unlock()
	if !complete(dir) {
		if err := build(ctx, module, dir, progress); err != nil {
			return Binaries{}, err
		}
	}
	return Binaries{
		Etcd:      filepath.Join(dir, "etcd"),
		APIServer: filepath.Join(dir, "kube-apiserver"),
		Scheduler: filepath.Join(dir, "kube-scheduler"),
		Kubectl:   filepath.Join(dir, "kubectl"),
	}, nil
}

// build makes every program in a directory beside dir and renames it, so that
// dir is either absent or whole.
func build(ctx context.Context, module, dir string, progress io.Writer) error {
	// Builds that were killed, and versions that go.mod no longer names.
	for _, pattern := range []string{"building-*", "kubernetes-*"} {
		stale, err := filepath.Glob(filepath.Join(filepath.Dir(dir), pattern))
		if err != nil {
			return fmt.Errorf("look for old builds: %w", err)
		}
		for _, path := range stale {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("remove an old build: %w", err)
			}
		}
	}
	scratch, err := os.MkdirTemp(filepath.Dir(dir), "building-")
	if err != nil {
		return fmt.Errorf("make a build directory: %w", err)
	}
	defer os.RemoveAll(scratch)
	names := make([]string, 0, len(programs))
	for name := range programs {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(progress, "building %s (once; minutes when nothing is cached)\n", name)
		args := []string{"build", "-trimpath", "-ldflags", linkerFlags, "-o", filepath.Join(scratch, name), programs[name]}
		if err := goTool(ctx, module, args...); err != nil {
			return fmt.Errorf("build %s: %w", name, err)
		}
	}
	if err := os.Chmod(scratch, 0o755); err != nil {
		return fmt.Errorf("publish the build: %w", err)
	}
	if err := os.Rename(scratch, dir); err != nil {
		return fmt.Errorf("publish the build: %w", err)
	}
	return nil
}

// buildVerdict builds the verdict binary of the module above this one into
// path. It uses that module's own dependency versions: what is tested is what
// is shipped.
func buildVerdict(ctx context.Context, path string) error {
	module, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	if err := goTool(ctx, filepath.Dir(module), "build", "-trimpath", "-o", path, "./cmd/verdict"); err != nil {
		return fmt.Errorf("build verdict: %w", err)
	}
	return nil
}

func complete(dir string) bool {
	for name := range programs {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// moduleDir is the directory of the e2e module, found from the working
// directory: tests and go run both start inside it.
func moduleDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	path := strings.TrimSpace(string(out))
	dir := filepath.Dir(path)
	if filepath.Base(path) != "go.mod" || filepath.Base(dir) != "e2e" {
		return "", fmt.Errorf("the working directory is in module %q; run this from the e2e module", path)
	}
	return dir, nil
}

// versionsKey names the build that go.mod describes: readable versions first,
// then a hash of every requirement, the linker flags and the Go release.
func versionsKey(goMod string) (string, error) {
	data, err := os.ReadFile(goMod)
	if err != nil {
		return "", fmt.Errorf("read the versions to build: %w", err)
	}
	var (
		lines      []string
		kubernetes string
		etcd       string
	)
	scanner := bufio.NewScanner(bytes.NewReader(data))
	for scanner.Scan() {
		line, _, _ := strings.Cut(scanner.Text(), "//")
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) < 2 {
			continue
		}
		lines = append(lines, strings.Join(fields, " "))
		switch fields[0] {
		case "k8s.io/kubernetes":
			kubernetes = fields[1]
		case "go.etcd.io/etcd/server/v3":
			etcd = fields[1]
		}
	}
	if kubernetes != kubernetesVersion || etcd == "" {
		return "", fmt.Errorf("%s: k8s.io/kubernetes is %q and etcd %q; the harness stamps %s: change both together",
			goMod, kubernetes, etcd, kubernetesVersion)
	}
	sort.Strings(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n") + linkerFlags + runtime.Version()))
	return fmt.Sprintf("kubernetes-%s-etcd-%s-%s-%s", kubernetes, etcd, runtime.GOARCH, hex.EncodeToString(sum[:6])), nil
}

// goTool runs the go command in dir; its output is part of the error.
func goTool(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(out))
	}
	return nil
}
