package report

import "fmt"

// Slower says, a sentence each and without a full stop, where the service did
// worse than what it was compared with. The do-nothing handler is left out:
// nothing that decides is as fast.
func (r *Report) Slower() []string {
	var lines []string
	for _, s := range r.Scenarios {
		own, other := s.Of(r.Service), s.Of(r.Alternative)
		if ratio := Ratio(own.PerSecond, other.PerSecond).Median; ratio > 0 && ratio < 1 {
			lines = append(lines, fmt.Sprintf("%s (%s): %s answers %s times as many requests as %s", s.Name, s.Protocol, r.Service, number(ratio), r.Alternative))
		}
		if ratio := Ratio(own.P99, other.P99).Median; ratio > 1 {
			lines = append(lines, fmt.Sprintf("%s (%s): the p99 of %s is %s times that of %s at the same rate", s.Name, s.Protocol, r.Service, number(ratio), r.Alternative))
		}
	}
	for _, c := range r.Comparisons {
		for _, name := range c.worse() {
			lines = append(lines, fmt.Sprintf("%s: %s has %s times the %s of %s", c.Name, c.Entries[0].Name, number(c.Against(name).Median), c.Unit, name))
		}
	}
	for _, m := range r.Memory {
		for _, other := range r.Memory {
			if m.Server == r.Service && other.Server == r.Alternative && m.Idle > other.Idle {
				lines = append(lines, fmt.Sprintf("Resident memory when ready: %s takes %s times that of %s", r.Service, number(float64(m.Idle)/float64(max(other.Idle, 1))), r.Alternative))
			}
		}
	}
	return lines
}

// Missed are the targets that were not reached.
func (r *Report) Missed() []Target {
	var missed []Target
	for _, t := range r.Targets {
		if !t.Reached {
			missed = append(missed, t)
		}
	}
	return missed
}

// Sections lists the sections of the comparisons, in order.
func (r *Report) Sections() []string {
	var sections []string
	seen := map[string]bool{}
	for _, c := range r.Comparisons {
		if !seen[c.Section] {
			seen[c.Section] = true
			sections = append(sections, c.Section)
		}
	}
	return sections
}
