package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// file resolves the path of a file, which must exist; "" is none.
func (c *checker) file(path string, file *string) {
	information := c.stat(path, file)
	if information != nil && !information.Mode().IsRegular() {
		c.add(path, "%s is not a file: it is a %s", quote(*file), kindOf(information.Mode()))
	}
}

// dir resolves the path of a directory, which must exist; "" is none.
func (c *checker) dir(path string, dir *string) {
	information := c.stat(path, dir)
	if information != nil && !information.IsDir() {
		c.add(path, "%s is not a directory: it is a %s", quote(*dir), kindOf(information.Mode()))
	}
}

func (c *checker) stat(path string, name *string) fs.FileInfo {
	if *name == "" || c.undecoded[path] {
		return nil
	}
	if !filepath.IsAbs(*name) {
		*name = filepath.Join(c.directory, *name)
	}
	information, err := os.Stat(*name)
	switch {
	case err == nil:
		return information
	case errors.Is(err, fs.ErrNotExist):
		c.add(path, "%s does not exist: relative paths begin at the folder of the configuration file", quote(*name))
	default:
		// Only the cause: the path, which may be long, is said already.
		if pathError, ok := errors.AsType[*fs.PathError](err); ok {
			err = pathError.Err
		}
		c.add(path, "%s cannot be used: %s", quote(*name), err)
	}
	return nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode.IsRegular():
		return "file"
	default:
		return "device, pipe or socket"
	}
}
