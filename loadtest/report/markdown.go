package report

import (
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed performance.md.tmpl
var text string

// Markdown writes the report for people.
func (r *Report) Markdown(w io.Writer) error {
	t, err := template.New("performance.md").Funcs(template.FuncMap{
		"ratio":    ratio,
		"spread":   spread,
		"divide":   Ratio,
		"number":   number,
		"outcomes": outcomes,
		"mebi":     func(bytes int64) string { return number(float64(bytes) / (1 << 20)) },
		"kibi":     func(bytes int) string { return number(float64(bytes) / (1 << 10)) },
		"keys":     sortedKeys[string],
		"date":     func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
	}).Parse(text)
	if err != nil {
		return fmt.Errorf("reading the report's template: %w", err)
	}
	if err := t.Execute(w, r); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// number shows three significant digits, and whole numbers from 100 on.
func number(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	shown := strconv.FormatFloat(v, 'g', 3, 64)
	if whole, fraction, ok := strings.Cut(shown, "."); (!ok || len(fraction) < 2) && len(whole) == 1 && !strings.Contains(shown, "e") {
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return shown
}

// spread shows the median and, in brackets, the lowest and the highest round.
func spread(f Figure) string {
	if len(f.Rounds) == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%s (%s–%s)", number(f.Median), number(f.Min), number(f.Max))
}

// ratio is spread in bold, for what is read first.
func ratio(f Figure) string {
	if len(f.Rounds) == 0 {
		return "unknown"
	}
	return fmt.Sprintf("**%s** (%s–%s)", number(f.Median), number(f.Min), number(f.Max))
}

// outcomes shows shares in percent.
func outcomes(counts map[string]int) string {
	total := 0
	for _, count := range counts {
		total += count
	}
	shares := make([]string, 0, len(counts))
	for _, name := range sortedKeys(counts) {
		shares = append(shares, fmt.Sprintf("%s %d %%", name, (100*counts[name]+total/2)/max(total, 1)))
	}
	return strings.Join(shares, ", ")
}
