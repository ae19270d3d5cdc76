package report_test

import (
	"strings"
	"testing"

	"github.com/verdict-dev/verdict/loadtest/report"
)

func TestFigure(t *testing.T) {
	for name, c := range map[string]struct {
		rounds           []float64
		median, low, top float64
	}{
		"none": {nil, 0, 0, 0},
		"odd":  {[]float64{9, 1, 5}, 5, 1, 9},
		"even": {[]float64{8, 2, 4, 6}, 5, 2, 8},
	} {
		if got := report.NewFigure(c.rounds); got.Median != c.median || got.Min != c.low || got.Max != c.top {
			t.Errorf("%s: %+v, want median %v, %v to %v", name, got, c.median, c.low, c.top)
		}
	}
}

// The ratio of the medians would be 4/3 here: rounds are compared with each other.
func TestRatioComparesWithinRounds(t *testing.T) {
	got := report.Ratio(report.NewFigure([]float64{2, 4, 30, 7}), report.NewFigure([]float64{1, 4, 3, 0}))
	if got.Median != 2 || got.Min != 1 || got.Max != 10 || len(got.Rounds) != 3 {
		t.Errorf("%+v, want 2 (1–10) of three rounds", got)
	}
}

func TestTargets(t *testing.T) {
	half := report.NewFigure([]float64{0.5})
	for name, c := range map[string]struct {
		target report.Target
		want   bool
	}{
		"enough":            {report.AtLeast("", half, 0.5), true},
		"too little":        {report.AtLeast("", half, 0.51), false},
		"little enough":     {report.AtMost("", half, 0.5), true},
		"too much":          {report.AtMost("", half, 0.49), false},
		"unknown, at most":  {report.AtMost("", report.Figure{}, 1), false},
		"never":             {report.None("", 0), true},
		"once":              {report.None("", 1), false},
		"unknown, at least": {report.AtLeast("", report.Figure{}, 1), false},
	} {
		if c.target.Reached != c.want {
			t.Errorf("%s: reached is %v", name, c.target.Reached)
		}
	}
}

func TestMarkdownSaysWhatIsSlower(t *testing.T) {
	measured := func(server string, perSecond ...float64) report.Measurement {
		return report.Measurement{Server: server, PerSecond: report.NewFigure(perSecond)}
	}
	r := report.Report{
		Service: "ours", Floor: "floor", Alternative: "theirs",
		Targets: []report.Target{report.AtLeast("a distant aim", report.NewFigure([]float64{0.123}), 0.9)},
		Scenarios: []report.Scenario{
			{Name: "quick", Servers: []report.Measurement{measured("ours", 300), measured("floor", 1200), measured("theirs", 100)}},
			{Name: "slow", Servers: []report.Measurement{measured("ours", 50), measured("floor", 1000), measured("theirs", 100)}},
		},
	}
	entry := func(name string, v float64) report.Entry {
		return report.Entry{Name: name, Figure: report.NewFigure([]float64{v})}
	}
	r.Comparisons = []report.Comparison{
		{Section: "Aside", Name: "More", Unit: "µs", Entries: []report.Entry{entry("ours", 4), entry("theirs", 2)}},
		{Section: "Aside", Name: "Less", Unit: "µs", Entries: []report.Entry{entry("ours", 1), entry("theirs", 2)}},
		{Section: "Aside", Name: "Faster", Unit: "pods/s", HigherIsBetter: true, Entries: []report.Entry{entry("ours", 4), entry("theirs", 2)}},
	}
	r.Curves = []report.Curve{{Name: "Growth of it", X: "size", Unit: "µs", Series: []report.Series{
		{Name: "ours", Points: []report.Point{{X: 100, Y: report.NewFigure([]float64{5})}}}, {Name: "theirs"},
	}}}
	r.Left = []string{"a part"}
	var out strings.Builder
	if err := r.Markdown(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| quick |  | **0.25** (0.25–0.25) | **3.00** (3.00–3.00) | unknown | unknown |",
		"| a distant aim | **0.123** (0.123–0.123) | ≥ 0.90 | **not reached** |",
		"- slow (): ours answers 0.50 times as many requests as theirs.",
		"- A target that was missed: a distant aim, 0.123 where ≥ 0.90 is wanted.",
		"- More: ours has 2.00 times the µs of theirs.",
		"| theirs | 2.00 (2.00–2.00) | **2.00** (2.00–2.00) |",
		"![Growth of it](performance/growth-of-it.svg)",
		"| 100 | 5.00 (5.00–5.00) | unknown |",
		"- Not in this run: a part.",
		"make bench",
		"| `bad tokens` |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in:\n%s", want, out.String())
		}
	}
	for _, not := range []string{"- quick", "- Less", "- Faster"} {
		if strings.Contains(out.String(), not) {
			t.Errorf("there is a line %q though it is not slower", not)
		}
	}
}
