package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// folders is a cache that brings along which folders policies may read: it is
// what all functions of a revision are given.
type folders struct {
	cache.InterQueryValueCache
	allowed []string
}

// WithFolders is the cache for evaluations whose policies may read the files in
// these folders, and in what is below them.
func WithFolders(values cache.InterQueryValueCache, allowed []string) cache.InterQueryValueCache {
	if len(allowed) == 0 {
		return values
	}
	return folders{InterQueryValueCache: values, allowed: slices.Clone(allowed)}
}

// outside is one call of a function that reaches outside the process.
type outside struct {
	name    string
	context topdown.BuiltinContext
}

// refuse is the policy error that the policy reaches for what is not listed.
func (o *outside) refuse(format string, args ...any) error {
	return &topdown.Error{
		Code:     topdown.BuiltinErr,
		Message:  o.name + ": policies may not " + fmt.Sprintf(format, args...),
		Location: o.context.Location,
	}
}

// host returns nil where policies may reach it.
func (o *outside) host(name string) error {
	capabilities := o.context.Capabilities
	if capabilities == nil || capabilities.AllowNet == nil || slices.Contains(capabilities.AllowNet, name) {
		return nil
	}
	return o.refuse(unlistedHost, shown(name))
}

// largestFile bounds a file that a policy reads, in bytes.
const largestFile = 1 << 20

// file reads a file in one of the folders. A path that leaves the folder, also
// by a symbolic link, is in none.
func (o *outside) file(path string) ([]byte, error) {
	known, _ := o.context.InterQueryBuiltinValueCache.(folders)
	for _, folder := range known.allowed {
		below, err := filepath.Rel(folder, path)
		if err != nil || !filepath.IsAbs(path) || !filepath.IsLocal(below) {
			continue
		}
		content, err := readBelow(folder, below)
		if err == nil {
			return content, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return nil, o.refuse("read the file %s: it must be a regular file of at most %d bytes within the folder", shown(path), largestFile)
		}
		return nil, fmt.Errorf("there is no file %s", shown(path))
	}
	return nil, o.refuse("read the file %s: list its folder in policy.allowedFolders", shown(path))
}

func readBelow(folder, path string) ([]byte, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	// A named pipe without a writer would block.
	file, err := root.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > largestFile {
		return nil, errors.Join(err, errors.New("no small regular file"))
	}
	content, err := io.ReadAll(io.LimitReader(file, largestFile+1))
	if err == nil && len(content) > largestFile {
		err = errors.New("the file is too large")
	}
	return content, err
}

// shown is what a policy wrote, short and on one line.
func shown(text string) string {
	const longest = 100
	if len(text) > longest {
		text = text[:longest] + "…"
	}
	return fmt.Sprintf("%q", text)
}

// disallowed is how OPA's own errors about a host end, also after a redirect.
const (
	disallowed   = "disallowed host: "
	unlistedHost = "reach the host %s: list it in policy.allowedHosts"
)
