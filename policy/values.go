package policy

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"
	"k8s.io/apimachinery/pkg/api/validation"

	"github.com/verdict-dev/verdict/policy/document"
)

// reasonsOf reads an entry rule of the reasons form. The boolean form gives the
// rule's own path as its reason. Sorted; empty when the rule does not hold.
func reasonsOf(path string, value ast.Value) ([]string, error) {
	switch v := value.(type) {
	case ast.Boolean:
		if v {
			return []string{path}, nil
		}
		return nil, nil
	case ast.Set:
		return stringSet(path, v)
	default:
		return nil, shapeError(path, "must give a set of reasons or a boolean, not %s", document.KindOf(value))
	}
}

func stringSet(path string, set ast.Set) ([]string, error) {
	out := make([]string, 0, set.Len())
	var err error
	set.Foreach(func(t *ast.Term) {
		s, ok := t.Value.(ast.String)
		if !ok {
			err = shapeError(path, "a reason is a string, not %s", document.KindOf(t.Value))
			return
		}
		out = append(out, string(s))
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(out)
	return out, nil
}

// MaxScore is the highest score of a node (k8s.io/kube-scheduler MaxExtenderPriority).
const MaxScore = 10

// annotationsOf reads the annotate rules: strings by the names of annotations.
func annotationsOf(path string, value ast.Value) (map[string]string, error) {
	object, ok := value.(ast.Object)
	if !ok {
		return nil, shapeError(path, "must be an object of strings, not %s", document.KindOf(value))
	}
	out := make(map[string]string, object.Len())
	err := object.Iter(func(name, value *ast.Term) error {
		key, ok := name.Value.(ast.String)
		if !ok {
			return shapeError(path, "the name of an annotation is a string, not %s", document.KindOf(name.Value))
		}
		text, ok := value.Value.(ast.String)
		if !ok {
			return shapeError(path, "%v must be a string, not %s", name, document.KindOf(value.Value))
		}
		out[string(key)] = string(text)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if mistakes := validation.ValidateAnnotations(out, nil); len(mistakes) > 0 {
		return nil, shapeError(path, "%v", mistakes.ToAggregate())
	}
	return out, nil
}

// scoreOf sums up the score rules: limited to 0–10 and rounded, halves away
// from zero.
func scoreOf(path string, value ast.Value) (int64, error) {
	scores, ok := value.(ast.Object)
	if !ok {
		return 0, shapeError(path, "must be an object of numbers, not %s", document.KindOf(value))
	}
	sum := 0.0
	err := scores.Iter(func(name, score *ast.Term) error {
		number, ok := score.Value.(ast.Number)
		if !ok {
			return shapeError(path, "%v must be a number, not %s", name, document.KindOf(score.Value))
		}
		f, err := json.Number(number).Float64()
		if err != nil {
			return shapeError(path, "%v: number out of range", name)
		}
		sum += f
		return nil
	})
	if err != nil {
		return 0, err
	}
	if math.IsNaN(sum) {
		return 0, shapeError(path, "the scores add up to no number")
	}
	return int64(math.Round(min(max(sum, 0), MaxScore))), nil
}
