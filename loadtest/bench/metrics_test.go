package bench

import "testing"

func TestSumOf(t *testing.T) {
	const text = `# TYPE seconds histogram
seconds_count{outcome="accepted",source="a"} 3
seconds_count{outcome="accepted",source="b"} 1e+06
seconds_count{outcome="rejected",source="a"} 5
seconds_count_of_others{outcome="accepted",source="a"} 7
seconds_count 9
`
	for name, c := range map[string]struct {
		labels []string
		want   float64
	}{
		"all":   {nil, 1_000_008},
		"some":  {[]string{`outcome="accepted"`}, 1_000_003},
		"one":   {[]string{`source="a"`, `outcome="accepted"`}, 3},
		"none":  {[]string{`source="c"`}, 0},
		"parts": {[]string{`come="accepted"`}, 0},
	} {
		if got := SumOf(text, "seconds_count", c.labels...); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
