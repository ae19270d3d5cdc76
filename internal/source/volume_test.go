package source

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// volume replaces its files as the kubelet's AtomicWriter does for ConfigMap,
// Secret and projected volumes: they live in a folder of their own, the name
// ..data leads to it, and each visible name is a link through ..data.
type volume struct {
	root    string
	version int
	files   tree
}

func newVolume(t *testing.T, root string, files tree) *volume {
	t.Helper()
	v := &volume{root: root}
	v.swap(t, files)
	return v
}

func (v *volume) swap(t *testing.T, files tree) {
	t.Helper()
	old, _ := os.Readlink(filepath.Join(v.root, "..data"))
	v.version++
	folder := fmt.Sprintf("..2026_01_02_03_04_05.%09d", v.version)
	files.plant(t, filepath.Join(v.root, folder))
	must(t, os.Symlink(folder, filepath.Join(v.root, "..data_tmp")))
	must(t, os.Rename(filepath.Join(v.root, "..data_tmp"), filepath.Join(v.root, "..data")))
	for name := range files {
		if _, ok := v.files[name]; !ok {
			must(t, os.Symlink(filepath.Join("..data", name), filepath.Join(v.root, name)))
		}
	}
	for name := range v.files {
		if _, ok := files[name]; !ok {
			must(t, os.Remove(filepath.Join(v.root, name)))
		}
	}
	if old != "" {
		must(t, os.RemoveAll(filepath.Join(v.root, old)))
	}
	v.files = files
}
