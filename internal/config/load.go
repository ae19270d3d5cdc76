package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes is far above any real configuration. It bounds the memory that a wrong
// path, such as a device, can use.
const maxFileBytes = 1 << 20

// Load reads a configuration file. Mistakes in it are one *Error; a file that
// cannot be read is an error that wraps the cause.
func Load(path string) (*Configuration, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return parse(path, content)
}

// parse reads a configuration from YAML, or JSON, which is a subset. The error
// is an *Error with every mistake, those found on disk included: files and
// directories that are named must exist.
//
// The name is what error messages call the file; relative paths in it are taken
// relative to filepath.Dir(name). A field that is absent or null has its
// default. Lists replace their default.
func parse(name string, content []byte) (*Configuration, error) {
	found := &problems{lines: map[string]int{}, undecoded: map[string]bool{}}
	if len(content) > maxFileBytes {
		found.add("", "the file is larger than %d bytes, and no configuration is that large: is it the right file?", maxFileBytes)
		return nil, found.err(name)
	}

	root := readDocument(found, content)
	if root == nil {
		return nil, found.err(name)
	}
	config := Default()
	// These two have no default: a file without them may be meant for another
	// program.
	config.APIVersion, config.Kind = "", ""
	decoder := &decoder{problems: found}
	decoder.decode("", root, reflect.ValueOf(config).Elem())

	checker := &checker{problems: found, config: config, directory: filepath.Dir(name)}
	checker.check()
	if err := found.err(name); err != nil {
		return nil, err
	}
	return config, nil
}

// readDocument gives the root of the only document, or nil with a problem when
// there is none.
func readDocument(found *problems, content []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	document, err := next(decoder)
	switch {
	case errors.Is(err, io.EOF), err == nil && isNull(document.Content[0]):
		found.add("", "the file is empty: it needs at least \"apiVersion: %s\" and \"kind: %s\"", APIVersion, Kind)
		return nil
	case err != nil:
		addSyntax(found, err)
		return nil
	}
	switch second, err := next(decoder); {
	case errors.Is(err, io.EOF):
	case err != nil:
		addSyntax(found, err)
	default:
		found.addAt(second.Line, "", "a second YAML document begins here: keep one, and remove the \"---\" between them")
	}
	return document.Content[0]
}

// next turns a panic of the parser into an error: a file must not end the program
// with a stack trace.
func next(decoder *yaml.Decoder) (document *yaml.Node, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the YAML parser cannot read this: %v", cause)
		}
	}()
	document = &yaml.Node{}
	if err := decoder.Decode(document); err != nil {
		return nil, err
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) != 1 {
		return nil, errors.New("the YAML parser found no document")
	}
	return document, nil
}

var syntaxLine = regexp.MustCompile(`^line (\d+): `)

// addSyntax reports a syntax error.
func addSyntax(found *problems, err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if match := syntaxLine.FindStringSubmatch(message); match != nil {
		line, _ = strconv.Atoi(match[1])
		message = message[len(match[0]):]
	}
	found.addAt(line, "", "not valid YAML: %s", message)
}
