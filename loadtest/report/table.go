package report

// Table is what was measured of the service in several cases, which are not compared
// with each other.
type Table struct {
	Name    string      `json:"name"`
	About   string      `json:"about"` // a sentence or more, with the full stop
	Columns []string    `json:"columns"`
	Cases   []TableCase `json:"cases"`
}

// TableCase is a line of a Table.
type TableCase struct {
	Name    string   `json:"name"`
	Figures []Figure `json:"figures"` // one for each column
}
