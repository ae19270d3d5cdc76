package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/verdict-dev/verdict/policy"
)

// tree maps paths to texts; "-> target" is a symbolic link, "/" a folder.
type tree map[string]string

// plant makes the files of t below root.
func (files tree) plant(t *testing.T, root string) {
	t.Helper()
	for path, text := range files {
		path = filepath.Join(root, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o750))
		target, isLink := strings.CutPrefix(text, "-> ")
		switch {
		case isLink:
			must(t, os.Symlink(target, path))
		case text == "/":
			must(t, os.MkdirAll(path, 0o750))
		default:
			write(t, path, text)
		}
	}
}

// listing shows content as lines "path" or "path @prefix" followed by its text.
func listing(c policy.Content) []string {
	var out []string
	for _, m := range c.Modules {
		out = append(out, fmt.Sprintf("%s: %s", m.Path, m.Source))
	}
	for _, d := range c.Documents {
		out = append(out, fmt.Sprintf("%s @%s: %s", d.Path, strings.Join(d.Prefix, "/"), d.Content))
	}
	return out
}

func TestRead(t *testing.T) {
	tests := map[string]struct {
		files tree
		dirs  []string // default "p"
		want  []string
	}{
		"modules and data by folder": {
			files: tree{
				"p/a.rego":            "a",
				"p/data.json":         "{}",
				"p/teams/b.rego":      "b",
				"p/teams/data.yaml":   "x: 1",
				"p/teams/eu/data.yml": "y: 2",
			},
			want: []string{
				"p/a.rego: a", "p/teams/b.rego: b",
				"p/data.json @: {}", "p/teams/data.yaml @teams: x: 1", "p/teams/eu/data.yml @teams/eu: y: 2",
			},
		},
		"what is left out": {
			files: tree{
				"p/a.rego":          "a",
				"p/a_test.rego":     "test",
				"p/input.json":      "{}",
				"p/teams.yaml":      "{}",
				"p/README.md":       "",
				"p/.hidden.rego":    "h",
				"p/.git/b.rego":     "h",
				"p/.data.json":      "{}",
				"p/data.json.swp":   "{}",
				"p/c.rego~":         "c",
				"p/Data.json":       "{}",
				"p/.#lock.rego":     "-> nowhere",
				"p/node_modules":    "-> nowhere",
				"p/empty/README.md": "",
			},
			want: []string{"p/a.rego: a"},
		},
		"a ConfigMap volume": {
			files: tree{
				"p/..2026_01_01/a.rego":    "a",
				"p/..2026_01_01/data.json": "{}",
				"p/..data":                 "-> ..2026_01_01",
				"p/a.rego":                 "-> ..data/a.rego",
				"p/data.json":              "-> ..data/data.json",
			},
			want: []string{"p/a.rego: a", "p/data.json @: {}"},
		},
		"links to a file, a folder and the root": {
			files: tree{
				"real/a.rego":    "a",
				"real/file.rego": "-> ../other/b.rego",
				"real/folder":    "-> ../other",
				"other/b.rego":   "b",
				"other/data.yml": "{}",
				"p":              "-> real",
			},
			want: []string{"p/a.rego: a", "p/file.rego: b", "p/folder/b.rego: b", "p/folder/data.yml @folder: {}"},
		},
		"links back to a folder above": {
			files: tree{"p/a.rego": "a", "p/sub/b.rego": "b", "p/sub/up": "-> ..", "p/sub/self": "-> ."},
			want:  []string{"p/a.rego: a", "p/sub/b.rego: b"},
		},
		"several folders, one of data alone": {
			files: tree{"p/a.rego": "a", "q/data.json": "{}", "r/b.rego": "b"},
			dirs:  []string{"r", "q", "p"},
			want:  []string{"r/b.rego: b", "p/a.rego: a", "q/data.json @: {}"},
		},
		"a folder named twice": {
			files: tree{"p/a.rego": "a", "p/data.json": "{}"},
			dirs:  []string{"p", "./p/", "p"},
			want:  []string{"p/a.rego: a", "p/data.json @: {}"},
		},
		"a folder and one inside it": {
			files: tree{"p/a.rego": "a", "p/sub/b.rego": "b", "p/sub/data.json": "{}"},
			dirs:  []string{"p", "p/sub"},
			want:  []string{"p/a.rego: a", "p/sub/b.rego: b", "p/sub/data.json @sub: {}", "p/sub/data.json @: {}"},
		},
		"the working directory": {
			files: tree{"a.rego": "a", "sub/data.json": "{}"},
			dirs:  []string{"."},
			want:  []string{"a.rego: a", "sub/data.json @sub: {}"},
		},
		"folders named like files": {
			files: tree{"p/x.rego/a.rego": "a", "p/data.json/data.json": "{}"},
			want:  []string{"p/x.rego/a.rego: a", "p/data.json/data.json @data.json: {}"},
		},
		"a hidden root": {
			files: tree{".p/a.rego": "a"},
			dirs:  []string{".p"},
			want:  []string{".p/a.rego: a"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			test.files.plant(t, ".")
			dirs := test.dirs
			if dirs == nil {
				dirs = []string{"p"}
			}
			content, err := NewDirectory(dirs).Read()
			must(t, err)
			if got := listing(content); !slices.Equal(got, test.want) {
				t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(test.want, "\n\t"))
			}
		})
	}
}

func TestReadErrors(t *testing.T) {
	small := limits{file: 10, total: 25, files: 4, folders: 3}
	tests := map[string]struct {
		files tree
		dirs  []string // default "p"
		is    error
		want  []string // all of these are in the message
	}{
		"no folder named":            {dirs: []string{}, want: []string{"--policy", "policy.directories"}},
		"an empty name":              {dirs: []string{""}, is: fs.ErrNotExist, want: []string{`""`, "does not exist"}},
		"a missing folder":           {is: fs.ErrNotExist, want: []string{`"p"`, "does not exist", ".rego", "data.json", "--policy"}},
		"a file for a folder":        {files: tree{"p": "x"}, want: []string{`"p"`, "is a file"}},
		"an empty folder":            {files: tree{"p": "/"}, want: []string{`"p"`, "holds no policy", ".rego", "data.yml"}},
		"nothing but tests":          {files: tree{"p/a_test.rego": "x"}, want: []string{`"p"`, "*_test.rego"}},
		"nothing but data":           {files: tree{"p/data.json": "{}"}, want: []string{"p", "only data"}},
		"one of two folders empty":   {files: tree{"p/a.rego": "x", "q": "/"}, dirs: []string{"p", "q"}, want: []string{`"q"`, "holds no policy"}},
		"a file beyond the limit":    {files: tree{"p/a.rego": "x", "p/big.rego": "12345678901"}, want: []string{"p/big.rego", "11 bytes", "limit is 10", "split"}},
		"too much in all":            {files: tree{"p/a.rego": "1234567890", "p/b.rego": "1234567890", "p/c.rego": "1234567890"}, want: []string{"p/c.rego", "30 bytes", "limit is 25"}},
		"too many files":             {files: tree{"p/a.rego": "", "p/b.rego": "", "p/c.rego": "", "p/d.rego": "", "p/e.rego": ""}, want: []string{"p/e.rego", "more than 4"}},
		"too many folders":           {files: tree{"p/a.rego": "", "p/a": "/", "p/b": "/", "p/c": "/"}, want: []string{"p/c", "more than 3 folders"}},
		"a link to nowhere":          {files: tree{"p/a.rego": "-> nowhere"}, is: fs.ErrNotExist, want: []string{"p/a.rego", "mend or remove"}},
		"a file that is unreadable":  {files: tree{"p/a.rego": "x", "p/b.rego": "-> b.rego"}, is: syscall.ELOOP, want: []string{"p/b.rego"}},
		"every fault at once":        {files: tree{"p/a.rego": "-> nowhere", "p/data.json": "12345678901"}, dirs: []string{"p", "q"}, want: []string{"p/a.rego", "p/data.json", `"q"`}},
		"a folder that is a link to": {files: tree{"p": "-> p"}, is: syscall.ELOOP, want: []string{`"p"`}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			test.files.plant(t, ".")
			dirs := test.dirs
			if dirs == nil {
				dirs = []string{"p"}
			}
			d := NewDirectory(dirs)
			d.limits = small
			content, err := d.Read()
			if err == nil {
				t.Fatalf("no error; read %v", listing(content))
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %q is not %q", err, test.is)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if !errors.Is(d.Err(), err) {
				t.Errorf("Err returns %v, want what Read returned", d.Err())
			}
		})
	}
}

func TestReadRefusesAPipe(t *testing.T) {
	root := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(root, "a.rego"), 0o600))
	_, err := NewDirectory([]string{root}).Read()
	if err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v, want an error that says it is not a regular file", err)
	}
}

func TestReadStopsAtTenFaults(t *testing.T) {
	root := t.TempDir()
	for i := range 30 {
		must(t, os.Symlink("nowhere", filepath.Join(root, fmt.Sprintf("%02d.rego", i))))
	}
	_, err := NewDirectory([]string{root}).Read()
	if err == nil || strings.Count(err.Error(), "policy file") != maxFaults {
		t.Errorf("got %v, want %d faults", err, maxFaults)
	}
}

// opening calls before each time a file is opened.
func opening(d *Directory, before func(path string)) {
	open := d.open
	d.open = func(path string) (io.ReadCloser, error) {
		before(filepath.Base(path))
		return open(path)
	}
}

func TestReadIsConsistent(t *testing.T) {
	t.Run("a file vanishes", func(t *testing.T) {
		root := t.TempDir()
		tree{"a.rego": "a", "b.rego": "b"}.plant(t, root)
		d := NewDirectory([]string{root})
		opening(d, func(name string) {
			if name == "a.rego" {
				_ = os.Remove(filepath.Join(root, "b.rego"))
			}
		})
		content, err := d.Read()
		must(t, err)
		if got, want := listing(content), []string{root + "/a.rego: a"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("a ConfigMap is swapped between two files", func(t *testing.T) {
		root := t.TempDir()
		volume := newVolume(t, root, tree{"a.rego": "old", "b.rego": "old"})
		d := NewDirectory([]string{root})
		swapped := false
		opening(d, func(name string) {
			if name == "b.rego" && !swapped {
				swapped = true
				volume.swap(t, tree{"a.rego": "new", "b.rego": "new"})
			}
		})
		content, err := d.Read()
		must(t, err)
		if got, want := listing(content), []string{root + "/a.rego: new", root + "/b.rego: new"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("a file never rests", func(t *testing.T) {
		root := t.TempDir()
		tree{"a.rego": "a"}.plant(t, root)
		d := NewDirectory([]string{root})
		text := "a"
		opening(d, func(string) {
			text += "a"
			write(t, filepath.Join(root, "a.rego"), text)
		})
		if _, err := d.Read(); err == nil || !strings.Contains(err.Error(), "change while they are read") {
			t.Errorf("got %v, want an error that says the files change", err)
		}
	})
	t.Run("a file grows beyond the limit", func(t *testing.T) {
		root := t.TempDir()
		tree{"a.rego": "a"}.plant(t, root)
		d := NewDirectory([]string{root})
		d.limits.file = 5
		opening(d, func(string) { write(t, filepath.Join(root, "a.rego"), "123456") })
		if _, err := d.Read(); err == nil || !strings.Contains(err.Error(), "more than 5 bytes") {
			t.Errorf("got %v, want the limit", err)
		}
	})
	t.Run("the total grows beyond the limit", func(t *testing.T) {
		root := t.TempDir()
		tree{"a.rego": "a"}.plant(t, root)
		d := NewDirectory([]string{root})
		d.limits.total = 5
		opening(d, func(string) { write(t, filepath.Join(root, "a.rego"), "123456") })
		if _, err := d.Read(); err == nil || !strings.Contains(err.Error(), "limit is 5") {
			t.Errorf("got %v, want the limit", err)
		}
	})
}

func TestDigestTellsContentsApart(t *testing.T) {
	doc := func(path, text string, prefix ...string) policy.Content {
		return policy.Content{Documents: []policy.Document{{Path: path, Prefix: prefix, Content: []byte(text)}}}
	}
	module := func(path, text string) policy.Content {
		return policy.Content{Modules: []policy.Module{{Path: path, Source: []byte(text)}}}
	}
	contents := map[string]policy.Content{
		"empty":            {},
		"module":           module("a", "bc"),
		"shifted":          module("ab", "c"),
		"document":         doc("a", "bc"),
		"with prefix":      doc("a", "bc", "x"),
		"with long prefix": doc("a", "bc", "x", "y"),
		"joined prefix":    doc("a", "bc", "xy"),
	}
	seen := map[digest]string{}
	for name, content := range contents {
		sum := digestOf(content)
		if other, ok := seen[sum]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[sum] = name
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}
