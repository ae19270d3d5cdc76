package source

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/verdict-dev/verdict/policy"
)

// load reads the files of a scan.
func (d *Directory) load(files []file) (policy.Content, error) {
	var content policy.Content
	var total int64
	for _, f := range files {
		text, err := d.readFile(f.path)
		if err != nil {
			return policy.Content{}, err
		}
		// The scan checked sizes, but files grow.
		if total += int64(len(text)); total > d.limits.total {
			return policy.Content{}, fmt.Errorf("%s: policy and data up to this file have %d bytes, the limit is %d: load less data", f.path, total, d.limits.total)
		}
		if f.kind == module {
			content.Modules = append(content.Modules, policy.Module{Path: f.path, Source: text})
			continue
		}
		content.Documents = append(content.Documents, policy.Document{Path: f.path, Prefix: slices.Clone(f.prefix), Content: text})
	}
	return content, nil
}

func (d *Directory) readFile(path string) ([]byte, error) {
	in, err := d.open(path)
	if err != nil {
		return nil, fmt.Errorf("policy file %s: %w: let the user that runs verdict read it", path, err)
	}
	defer func() { _ = in.Close() }()
	text, err := io.ReadAll(io.LimitReader(in, d.limits.file+1))
	if err != nil {
		return nil, fmt.Errorf("policy file %s: %w", path, err)
	}
	if int64(len(text)) > d.limits.file {
		return nil, fmt.Errorf("policy file %s has more than %d bytes: split it", path, d.limits.file)
	}
	return text, nil
}

// check refuses what cannot be meant: a folder with nothing in it for us, and
// no policy at all.
func (d *Directory) check(files []file) error {
	if len(d.roots) == 0 {
		return errors.New("no policy folder is named: give one with --policy or policy.directories")
	}
	for _, root := range d.roots {
		if !slices.ContainsFunc(files, func(f file) bool { return within(root, f.path) }) {
			return fmt.Errorf("policy folder %q holds no policy: looked for .rego files (other than *_test.rego and names that start with a dot) and for data.json, data.yaml and data.yml, in it and the folders below it", root)
		}
	}
	if !slices.ContainsFunc(files, func(f file) bool { return f.kind == module }) {
		return fmt.Errorf("no policy in %s: looked for .rego files, other than *_test.rego and names that start with a dot, and found only data", d.describe())
	}
	return nil
}

// within tells whether path lies below root. Both are clean, and path was made
// from a root by joining.
func within(root, path string) bool {
	rel, err := filepath.Rel(root, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func (d *Directory) describe() string { return strings.Join(d.roots, ", ") }

type digest [sha256.Size]byte

// digestOf tells contents apart: by text, path, prefix and order.
func digestOf(c policy.Content) digest {
	h := sha256.New()
	writeLength(h, len(c.Modules))
	for _, m := range c.Modules {
		writePart(h, []byte(m.Path))
		writePart(h, m.Source)
	}
	for _, doc := range c.Documents {
		writePart(h, []byte(doc.Path))
		writeLength(h, len(doc.Prefix))
		for _, name := range doc.Prefix {
			writePart(h, []byte(name))
		}
		writePart(h, doc.Content)
	}
	return digest(h.Sum(nil))
}

// writePart writes text after its length, so that no two lists of parts give
// the same bytes. Writing to a hash never fails.
func writePart(h hash.Hash, text []byte) {
	writeLength(h, len(text))
	_, _ = h.Write(text)
}

func writeLength(h hash.Hash, n int) {
	_, _ = h.Write(binary.AppendUvarint(nil, uint64(n))) //nolint:gosec // a length is not negative
}
