package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/verdict-dev/verdict/internal/filewatch"
)

// maxFaults is how many errors one scan collects before it gives up.
const maxFaults = 10

// limits bound what is read. Sizes are in bytes.
type limits struct {
	file    int64
	total   int64
	files   int
	folders int
}

func defaultLimits() limits {
	return limits{file: 16 << 20, total: 256 << 20, files: 10_000, folders: 10_000}
}

type fileKind int

const (
	notPolicy fileKind = iota
	module
	data
)

// kindOfName says what a file of that name is to us.
func kindOfName(name string) fileKind {
	switch name {
	case "data.json", "data.yaml", "data.yml":
		return data
	}
	if filepath.Ext(name) == ".rego" && !strings.HasSuffix(name, "_test.rego") {
		return module
	}
	return notPolicy
}

// file is one policy or data file that a scan found.
type file struct {
	path   string
	prefix []string
	kind   fileKind
	info   os.FileInfo // of the file a link leads to
}

// scan lists the policy and data files without opening any.
func (d *Directory) scan(t *filewatch.Targets) ([]file, error) {
	s := scanner{limits: d.limits, targets: t, seen: map[string]struct{}{}}
	for _, root := range d.roots {
		s.root(root)
	}
	if len(s.faults) > 0 {
		return nil, errors.Join(s.faults...)
	}
	return s.files, nil
}

// errGivenUp ends a scan whose faults say enough.
var errGivenUp = errors.New("given up")

type scanner struct {
	limits  limits
	targets *filewatch.Targets
	files   []file
	seen    map[string]struct{} // path and prefix of files
	folders int
	total   int64
	faults  []error
}

func (s *scanner) fault(format string, args ...any) error {
	s.faults = append(s.faults, fmt.Errorf(format, args...))
	if len(s.faults) >= maxFaults {
		return errGivenUp
	}
	return nil
}

func (s *scanner) root(root string) {
	s.targets.AddPath(root)
	info, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_ = s.fault("policy folder %q does not exist; looked for a folder with .rego files and data.json, data.yaml or data.yml: create it, or correct --policy or policy.directories: %w", root, err)
	case err != nil:
		_ = s.fault("policy folder %q: %w", root, err)
	case !info.IsDir():
		_ = s.fault("policy folder %q is a file: name the folder it is in", root)
	default:
		// What ends the walk early is in s.faults.
		_ = s.folder(root, nil, []os.FileInfo{info})
	}
}

// folder adds what is in the folder at path. above are the folders from the
// root to this one.
func (s *scanner) folder(path string, prefix []string, above []os.FileInfo) error {
	if s.folders++; s.folders > s.limits.folders {
		_ = s.fault("%s: more than %d folders of policy: name a folder that holds only policies", path, s.limits.folders)
		return errGivenUp
	}
	s.targets.AddFolder(path)
	entries, err := os.ReadDir(path)
	if err != nil {
		return s.fault("policy folder %s: %w: let the user that runs verdict read it", path, err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if err := s.entry(filepath.Join(path, entry.Name()), entry, prefix, above); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) entry(path string, entry fs.DirEntry, prefix []string, above []os.FileInfo) error {
	kind := kindOfName(entry.Name())
	isLink := entry.Type()&fs.ModeSymlink != 0
	if kind == notPolicy && !isLink && !entry.IsDir() {
		return nil
	}
	if isLink {
		s.targets.AddPath(path)
	}
	info, err := os.Stat(path)
	if err != nil {
		if kind == notPolicy {
			// A link to nowhere that isn't named like a policy, or something
			// that went between listing and looking.
			return nil
		}
		return s.fault("policy file %s: %w: mend or remove it", path, err)
	}
	if info.IsDir() {
		if slices.ContainsFunc(above, func(a os.FileInfo) bool { return os.SameFile(a, info) }) {
			return nil
		}
		return s.folder(path, append(slices.Clone(prefix), entry.Name()), append(slices.Clone(above), info))
	}
	if kind == notPolicy {
		return nil
	}
	return s.file(file{path: path, prefix: prefix, kind: kind, info: info})
}

func (s *scanner) file(f file) error {
	// Roots may contain each other. A module is the same one from both, data
	// has another place.
	key := f.path
	if f.kind == data {
		key += "\x00" + strings.Join(f.prefix, "\x00")
	}
	if _, ok := s.seen[key]; ok {
		return nil
	}
	s.seen[key] = struct{}{}

	if !f.info.Mode().IsRegular() {
		return s.fault("policy file %s is not a regular file (%s): remove it", f.path, f.info.Mode().Type())
	}
	if f.info.Size() > s.limits.file {
		return s.fault("policy file %s has %d bytes, the limit is %d: split it", f.path, f.info.Size(), s.limits.file)
	}
	if s.total += f.info.Size(); s.total > s.limits.total {
		_ = s.fault("%s: policy and data up to this file have %d bytes, the limit is %d: load less data", f.path, s.total, s.limits.total)
		return errGivenUp
	}
	if len(s.files) >= s.limits.files {
		_ = s.fault("%s: more than %d policy and data files: join small ones", f.path, s.limits.files)
		return errGivenUp
	}
	s.files = append(s.files, f)
	return nil
}

// sameFiles tells whether two scans found the same files in the same state.
func sameFiles(a, b []file) bool {
	return slices.EqualFunc(a, b, func(a, b file) bool {
		return a.path == b.path && slices.Equal(a.prefix, b.prefix) && filewatch.SameState(a.info, b.info)
	})
}
