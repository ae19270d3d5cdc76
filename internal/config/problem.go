package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is every mistake found in one configuration file, in the order of its
// lines. It holds at least one.
type Error struct {
	// File is the name that was given to Parse.
	File     string
	Problems []Problem
}

// Problem is one mistake.
type Problem struct {
	// Path is where in the document: "server.timeouts.read",
	// "authentication.sources[0].name". It is empty for the file as a whole.
	Path string
	// Line is counted from 1; 0 means that it is not known.
	Line int
	// Message says what is wrong and how to correct it.
	Message string
}

// Error gives one mistake a line, as file:line: path: message.
func (e *Error) Error() string {
	var text strings.Builder
	for i, problem := range e.Problems {
		if i > 0 {
			text.WriteByte('\n')
		}
		text.WriteString(e.File)
		if problem.Line > 0 {
			fmt.Fprintf(&text, ":%d", problem.Line)
		}
		text.WriteString(": ")
		text.WriteString(problem.String())
	}
	return text.String()
}

// String is the problem without its line.
func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// problems collects the mistakes that decoding and checking find.
type problems struct {
	found []Problem
	// lines has the line of each path that is in the document.
	lines map[string]int
	// undecoded has the paths whose value could not be read. They hold their default,
	// so a check would report a value that is not in the file.
	undecoded map[string]bool
}

// add reports a mistake at path, in that path's line.
func (p *problems) add(path, format string, args ...any) {
	p.addAt(p.line(path), path, format, args...)
}

// addAt reports a mistake that is in another line than its path.
func (p *problems) addAt(line int, path, format string, args ...any) {
	p.found = append(p.found, Problem{Path: path, Line: line, Message: fmt.Sprintf(format, args...)})
}

// line is where path is, or where the nearest thing around it is.
func (p *problems) line(path string) int {
	for path != "" {
		if line, ok := p.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return p.lines[""]
}

// err is nil when nothing was found.
func (p *problems) err(file string) error {
	if len(p.found) == 0 {
		return nil
	}
	slices.SortStableFunc(p.found, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &Error{File: file, Problems: p.found}
}
