package policy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// usernameTime bounds the evaluation in CanName. After that time CanName returns true.
const usernameTime = 5 * time.Second

// CanName reports whether a rule can give a username to an identity from the source,
// for some token and some review. When it returns false, every token of the source is
// refused. source is the configured name, and kind is the value of input.identity.type.
//
// OPA evaluates the rule with only source and kind known. When that is not enough to
// decide, CanName returns true.
func (r *Revision) CanName(ctx context.Context, source, kind string) bool {
	user := r.rules[userRule]
	if user.evaluator == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, usernameTime)
	defer cancel()
	left, err := partly(ctx, user, r.data, source, kind)
	if mistakes, ok := errors.AsType[ast.Errors](err); ok && mistakes[0].Code == ast.TypeErr {
		return false // the rule gives an object without a username
	}
	return err != nil || len(left.Queries) > 0
}

// unknownInput are the paths that have no value before a request comes.
var unknownInput = []string{
	"input.apiVersion", "input.kind", "input.metadata", "input.spec", "input.status",
	"input.identity.subject", "input.identity.claims", "input.identity.audiences", "input.identity.expires",
	"data." + clusterRoot, "data." + revokedRoot,
}

// partly evaluates the username that the rule gives to identities of the source, as
// far as source and kind decide it.
func partly(ctx context.Context, user *rule, data ast.Object, source, kind string) (left *rego.PartialQueries, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("evaluating %s partly panicked: %v", user.path, cause)
		}
	}()
	documents, err := ast.JSON(data)
	if err != nil {
		return nil, err
	}
	base, ok := documents.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("data is %T", documents)
	}
	name := entryRef(user.path).Append(ast.StringTerm("username"))
	query := ast.NewBody(
		ast.Equality.Expr(ast.VarTerm("username"), ast.NewTerm(name)),
		ast.NewExpr([]*ast.Term{ast.NewTerm(ast.NotEqual.Ref()), ast.VarTerm("username"), ast.StringTerm("")}),
		ast.NewExpr([]*ast.Term{ast.NewTerm(ast.IsString.Ref()), ast.VarTerm("username")}),
	)
	return rego.New(
		rego.Compiler(user.interpreter.Compiler()),
		rego.ParsedQuery(query),
		rego.Store(inmem.NewFromObject(base)),
		rego.Input(map[string]any{"identity": map[string]any{"source": source, "type": kind}}),
		rego.Unknowns(unknownInput),
	).Partial(ctx)
}

// NameProblem returns the message for a source for which CanName is false. It says
// which rule to write.
func (r *Revision) NameProblem(source, kind string) string {
	user := r.rules[userRule]
	if user.path == "" || user.evaluator == nil {
		return fmt.Sprintf("no rule gives a username, so every token of the source %s is refused: write %s", source, nameForm(user.path, source))
	}
	return fmt.Sprintf("no rule of %s can give a username to an identity from the source %s (%s), so every token of it is refused: write %s",
		user.path, source, kind, nameForm(user.path, source))
}

func nameForm(path, source string) string {
	if path == "" {
		path = EntryRule{AuthenticationPoint, "user"}.DefaultPath()
	}
	return fmt.Sprintf("`%s.username := … if input.identity.source == %q`", path[strings.LastIndexByte(path, '.')+1:], source)
}
