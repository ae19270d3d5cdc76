package evaluators

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"sigs.k8s.io/yaml"

	"github.com/verdict-dev/verdict/loadtest/inprocess"
)

// measureShipped measures the policies that ship, a file of tests each. The rules that
// are evaluated are the tests themselves: they hold the inputs.
func measureShipped(ctx context.Context, root string, turns inprocess.Turns) ([]result, error) {
	sources, tests, err := shippedFiles(root)
	if err != nil {
		return nil, err
	}
	compiler, err := compileModules(sources)
	if err != nil {
		return nil, err
	}
	data, err := shippedData(root)
	if err != nil {
		return nil, err
	}
	var out []evaluation
	for _, file := range tests {
		out = append(out, evaluation{
			name: strings.TrimSuffix(filepath.Base(file), ".rego"), about: "All its test rules.",
			compiler: compiler, data: data, inputs: []ast.Value{ast.NewObject()}, rules: testRules(compiler.Modules[file]),
		})
	}
	return measure(ctx, out, turns)
}

// shippedFiles are the policies of rego/ by their paths, and which of them are tests.
func shippedFiles(root string) (sources map[string]string, tests []string, err error) {
	sources = map[string]string{}
	for _, pattern := range []string{"rego/lib/*.rego", "rego/starter/*.rego"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, nil, fmt.Errorf("looking for policies: %w", err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				return nil, nil, fmt.Errorf("reading a policy: %w", err)
			}
			sources[file] = string(source)
			if strings.HasSuffix(file, "_test.rego") {
				tests = append(tests, file)
			}
		}
	}
	return sources, tests, nil
}

func shippedData(root string) (ast.Object, error) {
	text, err := os.ReadFile(filepath.Join(root, "rego/starter/data.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	if text, err = yaml.YAMLToJSON(text); err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	data, err := ast.ValueFromReader(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	return data.(ast.Object), nil
}

// testRules are the paths of the tests of module.
func testRules(module *ast.Module) []string {
	var out []string
	for _, rule := range module.Rules {
		ref := rule.Ref().GroundPrefix().String()
		if strings.HasPrefix(string(rule.Head.Name), "test_") && !slices.Contains(out, ref) {
			out = append(out, ref)
		}
	}
	return out
}
