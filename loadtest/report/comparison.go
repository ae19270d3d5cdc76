package report

import "strings"

// Entry is what one of those compared reached.
type Entry struct {
	Name   string `json:"name"`
	Figure Figure `json:"figure"`
}

// Comparison is one quantity of several servers or libraries that took turns. The
// service's own comes first.
type Comparison struct {
	// Section groups comparisons in the report.
	Section string `json:"section"`
	Name    string `json:"name"`
	About   string `json:"about"` // a sentence or more, with the full stop
	Unit    string `json:"unit"`
	// HigherIsBetter says so of the quantity; otherwise less is better.
	HigherIsBetter bool    `json:"higherIsBetter"`
	Entries        []Entry `json:"entries"`
}

// Of returns the figure of one of them, the zero value where there is none.
func (c Comparison) Of(name string) Figure {
	for _, e := range c.Entries {
		if e.Name == name {
			return e.Figure
		}
	}
	return Figure{}
}

// Against divides the service's own figure by that of name.
func (c Comparison) Against(name string) Figure {
	if len(c.Entries) == 0 {
		return Figure{}
	}
	return Ratio(c.Entries[0].Figure, c.Of(name))
}

// worse returns the names of those that the service is worse than, by their medians.
func (c Comparison) worse() []string {
	var names []string
	for i, e := range c.Entries {
		ratio := c.Against(e.Name).Median
		if i == 0 || ratio == 0 {
			continue
		}
		if c.HigherIsBetter && ratio < 1 || !c.HigherIsBetter && ratio > 1 {
			names = append(names, e.Name)
		}
	}
	return names
}

// Point is one point of a curve.
type Point struct {
	X float64 `json:"x"`
	Y Figure  `json:"y"`
}

// Series is one line of a curve.
type Series struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Curve is how a quantity grows with another.
type Curve struct {
	Name   string   `json:"name"`
	About  string   `json:"about"` // a sentence or more, with the full stop
	X      string   `json:"x"`     // what grows, and
	Unit   string   `json:"unit"`  // what of
	Series []Series `json:"series"`
}

// File is the curve's file name.
func (c Curve) File() string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		default:
			return '-'
		}
	}, strings.ToLower(c.Name))
	return name + ".svg"
}

// Row is one value of X with what each series has there.
type Row struct {
	X  float64
	Ys []Figure
}

// Rows are the curve as a table. A series without a point there has a zero
// Figure.
func (c Curve) Rows() []Row {
	var rows []Row
	at := map[float64]int{}
	for i, s := range c.Series {
		for _, p := range s.Points {
			row, ok := at[p.X]
			if !ok {
				row = len(rows)
				at[p.X] = row
				rows = append(rows, Row{X: p.X, Ys: make([]Figure, len(c.Series))})
			}
			rows[row].Ys[i] = p.Y
		}
	}
	return rows
}
