package filter

import (
	"testing"
	"time"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
)

func TestFilterAnswersAreThePolicys(t *testing.T) {
	var cases []Case
	for _, c := range []Case{
		{Name: "known", Form: generate.NodeNames, Specs: generate.KnownSpecs},
		{Name: "new", Form: generate.NodeNames, Specs: generate.NewSpecs},
		{Name: "unique", Form: generate.NodeNames, Specs: generate.NewSpecs, Unique: true},
		{Name: "whole", Form: generate.WholeNodes, Specs: generate.KnownSpecs, DecodeOnly: true},
	} {
		c.Nodes = 300
		cases = append(cases, c)
	}
	results, err := measure(t.Context(), cases, inprocess.Turns{Rounds: 1, Duration: time.Millisecond}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Name != cases[i].Name || r.verdict.Median <= 0 || r.json.Median <= 0 || r.bodyBytes == 0 {
			t.Errorf("%+v: something is missing", r)
		}
		t.Logf("%s: verdict %.0f json %.0f", r.Name, r.verdict.Median, r.json.Median)
	}
}
