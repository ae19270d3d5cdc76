package celrego

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// Expression is one that compiled.
type Expression struct {
	source   string
	variable Variable
	ast      *ast.AST
	output   *cel.Type
}

// Error says where in an expression something is that cannot be translated, or
// that does not compile.
type Error struct {
	// Line begins with 1, Column (in characters) too.
	Line, Column int
	Message      string
}

func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Message) }

// Compile parses and checks an expression that reads the variable, as
// kube-apiserver does. The error is an *Error when the expression is wrong.
func Compile(source string, variable Variable) (*Expression, error) {
	envs, err := environments()
	if err != nil {
		return nil, err
	}
	compiled, issues := envs[variable].Compile(source)
	if issues != nil && issues.Err() != nil {
		return nil, compileError(envs[variable], source, issues)
	}
	// Conversions of literals are done when the program is made, and may fail.
	if _, err := envs[variable].Program(compiled, cel.EvalOptions(cel.OptOptimize)); err != nil {
		return nil, &Error{Line: 1, Column: 1, Message: err.Error()}
	}
	return &Expression{source: source, variable: variable, ast: compiled.NativeRep(), output: compiled.OutputType()}, nil
}

// compileError is the first fault, or rather the first function that is known to
// have no counterpart.
func compileError(env *cel.Env, source string, issues *cel.Issues) error {
	if parsed, parsing := env.Parse(source); parsing == nil || parsing.Err() == nil {
		var found *Error
		ast.PreOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
			if e.Kind() == ast.CallKind && found == nil && untranslatable[e.AsCall().FunctionName()] {
				found = errorAt(parsed.NativeRep(), e, "%s() has no counterpart in Rego", e.AsCall().FunctionName())
			}
		}))
		if found != nil {
			return found
		}
	}
	first := issues.Errors()[0]
	return &Error{Line: first.Location.Line(), Column: first.Location.Column() + 1, Message: strings.TrimSpace(first.Message)}
}

func errorAt(in *ast.AST, e ast.Expr, format string, args ...any) *Error {
	at := in.SourceInfo().GetStartLocation(e.ID())
	return &Error{Line: max(at.Line(), 1), Column: max(at.Column(), 0) + 1, Message: fmt.Sprintf(format, args...)}
}

// IsBool reports whether the expression is known to give true or false.
func (e *Expression) IsBool() bool { return e.output.IsExactType(types.BoolType) }

// Output is the type of the expression, as CEL writes it.
func (e *Expression) Output() string { return e.output.String() }

// Selects reports whether the expression selects the field of its variable by a
// dot, as in claims.email or claims.?email.
func (e *Expression) Selects(field string) bool {
	found := false
	isVariable := func(operand ast.Expr) bool {
		return operand.Kind() == ast.IdentKind && operand.AsIdent() == string(e.variable)
	}
	ast.PreOrderVisit(e.ast.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		switch x.Kind() {
		case ast.SelectKind:
			found = found || x.AsSelect().FieldName() == field && isVariable(x.AsSelect().Operand())
		case ast.CallKind:
			call := x.AsCall()
			if call.FunctionName() == operators.OptSelect && len(call.Args()) == 2 && isVariable(call.Args()[0]) {
				name := call.Args()[1]
				found = found || name.Kind() == ast.LiteralKind && name.AsLiteral().Value() == field
			}
		}
	}))
	return found
}

// Strings are the literals of the expression that are strings.
func (e *Expression) Strings() []string {
	var out []string
	ast.PreOrderVisit(e.ast.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if literal, ok := constant(x); ok {
			out = append(out, literal)
		}
	}))
	return out
}
