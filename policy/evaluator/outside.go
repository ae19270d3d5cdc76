package evaluator

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/cache"
)

// What policies reach outside the process: hosts that the compiler's
// capabilities list, files in folders that WithFolders lists, and nothing else.
// OPA itself bounds hosts alone, and some of its functions hide from the policy
// that they were refused. All evaluators call the functions that stand here in
// OPA's table in place of its own.
var _ = guard()

func guard() bool {
	for name, guarded := range map[string]func(o *outside, original topdown.BuiltinFunc, operands []*ast.Term, iter func(*ast.Term) error) error{
		ast.HTTPSend.Name:         guardedSend,
		ast.NetLookupIPAddr.Name:  guardedLookup,
		ast.JSONMatchSchema.Name:  guardedMatch,
		ast.JSONSchemaVerify.Name: guardedVerify,
	} {
		original := topdown.GetBuiltin(name)
		topdown.RegisterBuiltinFunc(name, func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
			return guarded(&outside{name: name, context: bctx}, original, operands, iter)
		})
	}
	return true
}

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

func guardedLookup(o *outside, original topdown.BuiltinFunc, operands []*ast.Term, iter func(*ast.Term) error) error {
	if name, ok := operands[0].Value.(ast.String); ok {
		if err := o.host(string(name)); err != nil {
			return err
		}
	}
	return original(o.context, operands, iter)
}

// The parameters of http.send that name files, with those that take what is in
// them, and those that name variables of the environment.
var (
	sendFiles = [...][2]string{
		{"tls_ca_cert_file", "tls_ca_cert"},
		{"tls_client_cert_file", "tls_client_cert"},
		{"tls_client_key_file", "tls_client_key"},
	}
	sendVariables = [...]string{"tls_ca_cert_env_variable", "tls_client_cert_env_variable", "tls_client_key_env_variable"}
)

func guardedSend(o *outside, original topdown.BuiltinFunc, operands []*ast.Term, iter func(*ast.Term) error) error {
	request, ok := operands[0].Value.(ast.Object)
	if !ok {
		return original(o.context, operands, iter)
	}
	// As OPA reads them.
	text := func(name string) string {
		if term := request.Get(ast.StringTerm(name)); term != nil {
			if s, ok := term.Value.(ast.String); ok {
				return strings.Trim(string(s), `"`)
			}
		}
		return ""
	}
	if address, err := url.Parse(text("url")); err == nil && text("url") != "" {
		if address.Scheme != "http" && address.Scheme != "https" {
			return o.refuse("reach %s: only http and https", shown(address.Scheme+":"))
		}
		if err := o.host(strings.TrimSuffix(address.Host, ":"+address.Port())); err != nil {
			return err
		}
	}
	for _, name := range sendVariables {
		if text(name) != "" {
			return o.refuse("read environment variables (%s)", name)
		}
	}
	for _, names := range sendFiles {
		path := text(names[0])
		if path == "" {
			continue
		}
		content, err := o.file(path)
		if err != nil {
			return err
		}
		if inline := text(names[1]); inline != "" {
			content = append(append(content, '\n'), inline...)
		}
		request = without(request, names[0])
		request.Insert(ast.StringTerm(names[1]), ast.StringTerm(string(content)))
	}
	err := original(o.context, []*ast.Term{ast.NewTerm(request)}, func(response *ast.Term) error {
		if err := o.redirected(response); err != nil {
			return err
		}
		return iter(response)
	})
	if err != nil && !topdown.IsCancel(err) {
		if _, host, found := strings.Cut(err.Error(), disallowed); found {
			return o.refuse(unlistedHost, shown(host))
		}
	}
	return err
}

// disallowed is how OPA's own errors about a host end, also after a redirect.
const (
	disallowed   = "disallowed host: "
	unlistedHost = "reach the host %s: list it in policy.allowedHosts"
)

// redirected returns an error where a response is OPA's own, about a host that
// is not listed: with raise_error false it makes a value of it.
func (o *outside) redirected(response *ast.Term) error {
	message := ast.Value(ast.Null{})
	if fault := response.Get(ast.StringTerm("error")); fault != nil {
		if found := fault.Get(ast.StringTerm("message")); found != nil {
			message = found.Value
		}
	}
	text, ok := message.(ast.String)
	if _, host, found := strings.Cut(string(text), disallowed); ok && found {
		return o.refuse(unlistedHost, shown(host))
	}
	return nil
}

func without(object ast.Object, name string) ast.Object {
	out := ast.NewObject()
	object.Foreach(func(k, v *ast.Term) {
		if k.Value.Compare(ast.String(name)) != 0 {
			out.Insert(k, v)
		}
	})
	return out
}

func guardedVerify(o *outside, original topdown.BuiltinFunc, operands []*ast.Term, iter func(*ast.Term) error) error {
	schema, err := o.schema(operands[0])
	if err != nil {
		return err
	}
	return original(o.closed(), []*ast.Term{schema}, iter)
}

func guardedMatch(o *outside, original topdown.BuiltinFunc, operands []*ast.Term, iter func(*ast.Term) error) error {
	schema, err := o.schema(operands[1])
	if err != nil {
		return err
	}
	return original(o.closed(), []*ast.Term{operands[0], schema}, iter)
}
