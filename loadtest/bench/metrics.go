package bench

import (
	"strconv"
	"strings"
)

// SumOf adds up the samples called name that have all of the labels, written as
// in the text of a Prometheus client: `outcome="accepted"`.
func SumOf(text, name string, labels ...string) float64 {
	sum := 0.0
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name+"{")
		if !ok {
			continue
		}
		given, value, ok := strings.Cut(rest, "} ")
		if !ok || !hasLabels(given, labels) {
			continue
		}
		if v, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil {
			sum += v
		}
	}
	return sum
}

func hasLabels(given string, labels []string) bool {
	for _, label := range labels {
		if !strings.Contains(","+given+",", ","+label+",") {
			return false
		}
	}
	return true
}
