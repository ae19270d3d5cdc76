// Package builtin holds the Rego that ships inside the binary: the helper
// library under data.lib, which is there with every policy, and the starter
// policies with their data, which are there until others replace them.
package builtin

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/verdict-dev/verdict/policy"
)

//go:embed lib starter
var files embed.FS

// Library returns the helper packages data.lib.*. It has no documents, and no
// tests. The caller owns the result.
func Library() policy.Content {
	return read("lib")
}

// Starter returns the default policies for authentication, authorization and
// scheduling, and the data of the example company they work on, without their
// tests. The policies call Library. The caller owns the result.
func Starter() policy.Content {
	return read("starter")
}

// read collects the embedded folder root. Documents are laid out below root as
// OPA does: the folder of a data file is its place under `data`.
func read(root string) policy.Content {
	var content policy.Content
	err := fs.WalkDir(files, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasSuffix(name, "_test.rego") {
			return err
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		shown := path.Join("rego", name)
		switch base := path.Base(name); {
		case path.Ext(base) == ".rego":
			content.Modules = append(content.Modules, policy.Module{Path: shown, Source: text})
		case base == "data.yaml", base == "data.json":
			content.Documents = append(content.Documents, policy.Document{
				Path:    shown,
				Prefix:  prefix(root, path.Dir(name)),
				Content: text,
			})
		}
		return nil
	})
	if err != nil {
		// The files are part of the binary: they read, or it was built wrong.
		panic(fmt.Sprintf("reading embedded policies of %s: %v", root, err))
	}
	return content
}

// prefix returns the folders from root down to dir.
func prefix(root, dir string) []string {
	below := strings.TrimPrefix(strings.TrimPrefix(dir, root), "/")
	if below == "" {
		return nil
	}
	return strings.Split(below, "/")
}
