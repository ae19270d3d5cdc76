package policy_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// reference answers as a reader of OPA's documentation would write it: the
// whole decoded document and a plain store, through package rego. It shares no
// code with the engine and says again, in its own words, what the answers of
// entry rules mean. What it has answered once it remembers.
type reference struct {
	point   *point
	queries map[string]rego.PreparedEvalQuery

	mu       sync.Mutex
	answered map[string]any
	asked    int
}

// compileModules is stock OPA's compiler.
func compileModules(sources map[string]string) (*ast.Compiler, error) {
	return ast.CompileModulesWithOpt(sources, ast.CompileOpts{ParserOptions: ast.ParserOptions{RegoVersion: ast.RegoV1}})
}

func newReference(ctx context.Context, p *point, compiler *ast.Compiler, data map[string]any) (*reference, error) {
	out := &reference{point: p, queries: map[string]rego.PreparedEvalQuery{}, answered: map[string]any{}}
	store := inmem.NewFromObject(data)
	for _, rule := range entryRules[p.name] {
		query, err := rego.New(
			rego.Query("data."+p.pkg+"."+rule),
			rego.Compiler(compiler),
			rego.Store(store),
			rego.StrictBuiltinErrors(true),
		).PrepareForEval(ctx)
		if err != nil {
			return nil, err
		}
		out.queries[rule] = query
	}
	return out, nil
}

var entryRules = map[string][]string{
	"authorization":  {"deny", "allow"},
	"scheduling":     {"unresolvable", "reject", "score"},
	"authentication": {"deny", "user"},
}

// undefined is the value of a rule that has none.
type undefined struct{}

// value is what a rule gives: undefined, an error, or the value.
func (o *reference) value(rule string, req request) any {
	key := rule + "\x00" + req.key
	o.mu.Lock()
	kept, ok := o.answered[key]
	o.mu.Unlock()
	if ok {
		return kept
	}
	value := o.evaluate(rule, req)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answered[key] = value
	o.asked++
	return value
}

func (o *reference) evaluate(rule string, req request) any {
	results, err := o.queries[rule].Eval(context.Background(), rego.EvalInput(o.point.join(req.parts)))
	switch {
	case err != nil:
		return err
	case len(results) == 0:
		return undefined{}
	}
	return results[0].Expressions[0].Value
}

func (o *reference) reasons(rule string, req request) ([]string, error) {
	switch v := o.value(rule, req).(type) {
	case error:
		return nil, v
	case undefined:
		return nil, nil
	case bool:
		if v {
			return []string{o.point.pkg + "." + rule}, nil
		}
		return nil, nil
	case []any:
		return sortedNames(v)
	default:
		return nil, fmt.Errorf("reasons %v", v)
	}
}

func sortedNames(list []any) ([]string, error) {
	var out []string
	for _, item := range list {
		name, ok := item.(string)
		if !ok {
			return nil, fmt.Errorf("%v is no string", item)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// decision is one answer, written so that equal answers are equal.
type decision string

const failure decision = "error"

func authorizationDecision(outcome string, reasons []string) decision {
	return decision(outcome + ": " + strings.Join(reasons, "|"))
}

func placementDecision(unresolvable, reject []string) decision {
	return decision("unresolvable: " + strings.Join(unresolvable, "|") + "; reject: " + strings.Join(reject, "|"))
}

func scoreDecision(score int64) decision { return decision(fmt.Sprintf("score: %d", score)) }

func userDecision(username string, groups []string, denied bool) decision {
	if denied {
		return "denied"
	}
	return decision(fmt.Sprintf("user: %q %q", username, groups))
}

// decide answers question. consulted are the rules that were asked for it.
func (o *reference) decide(question string, req request) (answer decision, consulted []string) {
	out, consulted, err := o.answer(question, req)
	if err != nil {
		return failure, consulted
	}
	return out, consulted
}

func (o *reference) answer(question string, req request) (answer decision, consulted []string, err error) {
	switch question {
	case "authorize":
		return o.authorize(req)
	case "place":
		unresolvable, err := o.reasons("unresolvable", req)
		if err != nil {
			return "", []string{"unresolvable"}, err
		}
		reject, err := o.reasons("reject", req)
		return placementDecision(unresolvable, reject), []string{"unresolvable", "reject"}, err
	case "score":
		score, err := o.score(req)
		return scoreDecision(score), []string{"score"}, err
	default:
		return o.authenticate(req)
	}
}

func (o *reference) authorize(req request) (answer decision, consulted []string, err error) {
	denials, err := o.reasons("deny", req)
	if err != nil || len(denials) > 0 {
		return authorizationDecision("deny", denials), []string{"deny"}, err
	}
	grants, err := o.reasons("allow", req)
	outcome := "allow"
	if len(grants) == 0 {
		outcome = "noOpinion"
	}
	return authorizationDecision(outcome, grants), []string{"deny", "allow"}, err
}

func (o *reference) score(req request) (int64, error) {
	switch v := o.value("score", req).(type) {
	case error:
		return 0, v
	case undefined:
		return 0, nil
	case map[string]any:
		sum := 0.0
		for _, item := range v {
			number, ok := item.(json.Number)
			if !ok {
				return 0, fmt.Errorf("score %v", item)
			}
			f, err := number.Float64()
			if err != nil {
				return 0, err
			}
			sum += f
		}
		return int64(math.Round(math.Max(0, math.Min(10, sum)))), nil
	default:
		return 0, fmt.Errorf("scores %v", v)
	}
}

func (o *reference) authenticate(req request) (answer decision, consulted []string, err error) {
	denials, err := o.reasons("deny", req)
	if err != nil || len(denials) > 0 {
		return "denied", []string{"deny"}, err
	}
	out, err := o.user(req)
	return out, []string{"deny", "user"}, err
}

func (o *reference) user(req request) (decision, error) {
	switch v := o.value("user", req).(type) {
	case error:
		return "", v
	case undefined:
		return "denied", nil
	case map[string]any:
		username, isName := v["username"].(string)
		if !isName && v["username"] != nil {
			return "", errors.New("the username is no string")
		}
		groups, isList := v["groups"].([]any)
		if !isList && v["groups"] != nil {
			return "", errors.New("the groups are no list")
		}
		names, err := sortedNames(groups)
		if err != nil {
			return "", err
		}
		if username == "" {
			return "denied", nil
		}
		for _, name := range append([]string{username}, names...) {
			if strings.HasPrefix(name, "system:") {
				return "denied", nil
			}
		}
		return userDecision(username, names, false), nil
	default:
		return "", fmt.Errorf("user %v", v)
	}
}

// contribution is what rule alone adds to the answer to a question.
func (o *reference) contribution(rule string, req request) decision {
	var out decision
	var err error
	switch rule {
	case "score":
		var score int64
		score, err = o.score(req)
		out = scoreDecision(score)
	case "user":
		out, err = o.user(req)
	default:
		var reasons []string
		reasons, err = o.reasons(rule, req)
		out = decision(strings.Join(reasons, "|"))
		if o.point == authenticationPoint && len(reasons) > 0 {
			out = "denied"
		}
	}
	if err != nil {
		return failure
	}
	return out
}
