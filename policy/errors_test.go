package policy

import (
	"errors"
	"testing"
)

func TestProblemString(t *testing.T) {
	for _, c := range []struct {
		problem Problem
		want    string
	}{
		{Problem{File: "a.rego", Line: 3, Column: 5, Message: "m"}, "a.rego:3:5: m"},
		{Problem{File: "a.rego", Line: 3, Message: "m"}, "a.rego:3: m"},
		{Problem{File: "a.rego", Column: 5, Message: "m"}, "a.rego: m"},
		{Problem{File: "a.rego", Message: "m"}, "a.rego: m"},
		{Problem{Message: "m"}, "m"},
	} {
		if got := c.problem.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestProblemsAreSortedByPlace(t *testing.T) {
	found := problems{
		{File: "b", Line: 1, Column: 1, Message: "5"},
		{File: "a", Line: 10, Column: 1, Message: "4"},
		{File: "a", Line: 2, Column: 7, Message: "3"},
		{File: "a", Line: 2, Column: 1, Message: "2"},
		{File: "a", Message: "1"},
	}
	var load *LoadError
	if !errors.As(found.err(), &load) {
		t.Fatal("got no *LoadError")
	}
	for i, p := range load.Problems {
		if want := string(rune('1' + i)); p.Message != want {
			t.Errorf("at %d: got %q, want %q", i, p.Message, want)
		}
	}
	if err := (problems{}).err(); err != nil {
		t.Errorf("no problems make the error %v", err)
	}
}

func TestEvaluationErrorText(t *testing.T) {
	for _, c := range []struct {
		err  EvaluationError
		want string
	}{
		{EvaluationError{Rule: "a.b", Location: "p.rego:1:2", Code: "c", Message: "m"}, "p.rego:1:2: a.b: c: m"},
		{EvaluationError{Rule: "a.b", Code: "shape", Message: "m"}, "a.b: shape: m"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
