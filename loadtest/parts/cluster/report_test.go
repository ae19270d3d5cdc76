package cluster

import (
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/loadtest/bench"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

func TestCheckPlaced(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"nodenames":["worker-00001"],"failedNodes":{}}`:            true,
		`{"nodenames":["worker-00001"],"failedNodes":{},"error":""}`: true,
		`{"nodenames":[],"failedNodes":{}}`:                          false,
		`{"nodenames":["worker-00001"],"error":"stale"}`:             false,
	} {
		if err := checkPlaced([]byte(answer)); (err == nil) != want {
			t.Errorf("%s: %v", answer, err)
		}
	}
}

// The report has the evaluations of a policy that reads no state while pods come and go.
func TestClusterReport(t *testing.T) {
	calm := interval{p50: 1, p99: 2, cpu: 10, calls: 100, classes: 50}
	slow := calm
	slow.p99, slow.evaluations = 5, 300
	all := rounds{
		readsPods:       {{ready: 3, resident: 300, calm: calm, churn: slow, podsASecond: 100}},
		readsFree:       {{ready: 2, resident: 200, calm: calm, churn: calm, podsASecond: 100}},
		readsNone:       {{ready: 1, resident: 100, calm: calm, churn: calm, podsASecond: 100}},
		servers.Nothing: {{calm: calm, churn: calm, podsASecond: 100}},
	}
	c := &run{Bench: &bench.Bench{Options: bench.Options{ClusterNodes: 500, ClusterPods: 5000}}, filled: 500}
	reached := func() (out []bool) {
		made := &report.Report{}
		c.report(map[string][2]float64{}, all, made)
		for _, target := range made.Targets {
			out = append(out, target.Reached)
		}
		var text strings.Builder
		if err := made.Markdown(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"## A cluster in memory", "## Filter calls while pods come and go", "41 (41–41)", "2.50 (2.50–2.50)"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the report lacks %q", want)
			}
		}
		return out
	}
	check := func(want ...bool) {
		t.Helper()
		got := reached()
		if len(got) != len(want) {
			t.Fatalf("%d targets, want %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("target %d: reached is %v", i, got[i])
			}
		}
	}
	check(false, false, true, true, true, true, true, true)
	all[readsNone][0].churn.evaluations, all[readsNone][0].churn.classes = 1, 51
	check(false, false, true, true, true, true, false, false)
}

func TestClusterGrowth(t *testing.T) {
	grown := newGrowth()
	for _, nodes := range []int{50, 500} {
		grown.add(nodes, rounds{
			readsPods: {{ready: 3}}, readsFree: {{ready: 2}}, readsNone: {{ready: 1}},
		})
	}
	files := map[string]bool{}
	for _, curve := range grown.curves() {
		files[curve.File()] = true
		if rows := curve.Rows(); len(rows) != 2 || len(rows[1].Ys) != 3 || rows[1].X != 500 {
			t.Errorf("%s: %+v", curve.Name, rows)
		}
	}
	if len(files) != 4 {
		t.Errorf("the curves are written to %d files", len(files))
	}
}
