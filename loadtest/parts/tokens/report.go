package tokens

import (
	"fmt"

	"github.com/verdict-dev/verdict/loadtest/generate"
	"github.com/verdict-dev/verdict/loadtest/inprocess"
	"github.com/verdict-dev/verdict/loadtest/report"
	"github.com/verdict-dev/verdict/loadtest/servers"
)

const signature = "signature alone"

func addComparisons(results []result, made *report.Report) {
	for _, r := range results {
		compare := func(name, from string, verdict report.Figure) report.Comparison {
			c := report.Comparison{
				Section: inprocess.Section, Name: fmt.Sprintf("%s, %s", name, r.algorithm), Unit: "µs",
				About:   fmt.Sprintf("A token of %d bytes, never seen before, %s, beside Go's own check of its signature with the hash of what is signed.", r.tokenBytes, from),
				Entries: []report.Entry{{Name: servers.Verdict, Figure: verdict}, {Name: signature, Figure: r.check}},
			}
			made.Comparisons = append(made.Comparisons, c)
			return c
		}
		c := compare("One JWT", "from its text to the identity that policies see", r.identity)
		compare("One TokenReview", "from the bytes of the review to those of the answer, policy and all", r.review)
		if r.algorithm == generate.RS256 {
			made.Targets = append(made.Targets, report.AtMost("one uncached RS256 token to identity in process, against its signature alone", c.Against(signature), 1.3))
		}
	}
}
