package sandbox

import (
	"net/url"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"
)

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
	if err := o.address(request); err != nil {
		return err
	}
	for _, name := range sendVariables {
		if parameter(request, name) != "" {
			return o.refuse("read environment variables (%s)", name)
		}
	}
	request, err := o.withFiles(request)
	if err != nil {
		return err
	}
	err = original(o.context, []*ast.Term{ast.NewTerm(request)}, func(response *ast.Term) error {
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

// parameter is a text of a request, as OPA reads it.
func parameter(request ast.Object, name string) string {
	if term := request.Get(ast.StringTerm(name)); term != nil {
		if s, ok := term.Value.(ast.String); ok {
			return strings.Trim(string(s), `"`)
		}
	}
	return ""
}

// address returns nil where policies may reach the one of a request, or OPA refuses it.
func (o *outside) address(request ast.Object) error {
	written := parameter(request, "url")
	address, err := url.Parse(written)
	if err != nil || written == "" {
		return nil //nolint:nilerr // OPA says what is wrong with it
	}
	if address.Scheme != "http" && address.Scheme != "https" {
		return o.refuse("reach %s: only http and https", shown(address.Scheme+":"))
	}
	return o.host(strings.TrimSuffix(address.Host, ":"+address.Port()))
}

// withFiles is request with what is in the files that it names.
func (o *outside) withFiles(request ast.Object) (ast.Object, error) {
	for _, names := range sendFiles {
		path := parameter(request, names[0])
		if path == "" {
			continue
		}
		content, err := o.file(path)
		if err != nil {
			return nil, err
		}
		if inline := parameter(request, names[1]); inline != "" {
			content = append(append(content, '\n'), inline...)
		}
		request = without(request, names[0])
		request.Insert(ast.StringTerm(names[1]), ast.StringTerm(string(content)))
	}
	return request, nil
}

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
