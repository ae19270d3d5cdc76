package tokenfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/verdict-dev/verdict/internal/identity/userlist"
)

// The columns of a CSV token file, by number.
const (
	columnToken = iota
	columnUsername
	columnUID
	columnGroups
	columnsKnown
)

// parseTokensCSV reads a token file in the form of kube-apiserver's
// --token-auth-file: token,username,uid and optionally "group1,group2". What it
// accepts it reads as kube-apiserver does, but for an empty column of groups,
// which means none here and a group without a name there.
//
// It is stricter: kube-apiserver skips a record with an empty token, lets the
// last of several records of one token win, and takes empty names and white
// space around names for what they are. All these are mistakes here. They are
// reported one a line: name:line:column: column: what is wrong, without
// anything that the file holds.
func parseTokensCSV(name string, content []byte) (entries []userlist.Entry, warnings []string, err error) {
	p := csvParser{parser: parser{name: name}, reader: csv.NewReader(bytes.NewReader(content)), lineOf: map[string]int{}}
	p.reader.FieldsPerRecord = -1
	p.reader.ReuseRecord = true
	p.file(content)
	if err := p.err(); err != nil {
		return nil, nil, err
	}
	if len(p.entries) == 0 {
		warnings = append(warnings, fmt.Sprintf("token file %s has no tokens", name))
	}
	if len(p.wide) > 0 {
		warnings = append(warnings, fmt.Sprintf("token file %s has more than four columns in %d records, the first in line %d, of which the rest is ignored: several groups are one column, in quotes", name, len(p.wide), p.wide[0]))
	}
	return p.entries, warnings, nil
}

type csvParser struct {
	parser
	reader  *csv.Reader
	entries []userlist.Entry
	lineOf  map[string]int // by the token's digest
	wide    []int          // lines with more columns than have a meaning
}

func (p *csvParser) file(content []byte) {
	if bytes.HasPrefix(content, []byte("\ufeff")) {
		p.problemAt(":1:1", "", "begins with a byte order mark, which would be part of the first token: save the file without")
		return
	}
	for {
		record, err := p.reader.Read()
		var broken *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return
		case errors.As(err, &broken):
			// What follows may be read from the wrong side of a quote.
			p.problemAt(fmt.Sprintf(":%d:%d", broken.Line, broken.Column), "", "%s", csvMistake(broken.Err))
			return
		case err != nil:
			p.problemAt("", "", "%s", err)
			return
		}
		p.record(record)
	}
}

func csvMistake(err error) string {
	if errors.Is(err, csv.ErrBareQuote) {
		return `has a quote (") inside a column that does not begin with one: put the column in quotes and double the quotes in it`
	}
	return `has a column in quotes (") that does not end where its quotes do: double the quotes in it, and close it`
}

// at is where a column of the record that was read last begins.
func (p *csvParser) at(column int) string {
	line, offset := p.reader.FieldPos(column)
	return fmt.Sprintf(":%d:%d", line, offset)
}

func (p *csvParser) record(record []string) {
	line, _ := p.reader.FieldPos(columnToken)
	if len(record) <= columnUID {
		p.problemAt(p.at(columnToken), "", "has %d columns, not at least 3: token,username,uid", len(record))
		return
	}
	if len(record) > columnsKnown {
		p.wide = append(p.wide, line)
	}
	// Copies: the columns are parts of one string, and what is kept must not
	// keep the token.
	entry := userlist.NewEntry(record[columnToken], strings.Clone(record[columnUsername]))
	entry.UID = strings.Clone(record[columnUID])
	p.token(record[columnToken])
	p.text(columnUsername, "username", entry.Username, true)
	p.text(columnUID, "uid", entry.UID, false)
	if len(record) > columnGroups && record[columnGroups] != "" {
		entry.Groups = strings.Split(strings.Clone(record[columnGroups]), ",")
		for _, group := range entry.Groups {
			if !p.text(columnGroups, "groups", group, true) {
				break
			}
		}
	}
	if earlier, twice := p.lineOf[entry.SHA256]; twice && record[columnToken] != "" {
		p.problemAt(p.at(columnToken), "token", "is the token of line %d: give each user a token of its own", earlier)
	} else {
		p.lineOf[entry.SHA256] = line
	}
	p.entries = append(p.entries, entry)
}

func (p *csvParser) token(token string) {
	switch {
	case token == "":
		p.problemAt(p.at(columnToken), "token", "must not be empty: remove the line")
	case !utf8.ValidString(token):
		p.problemAt(p.at(columnToken), "token", "is not UTF-8")
	case strings.ContainsFunc(token, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		p.problemAt(p.at(columnToken), "token", "has white space or control characters, which no request can carry; there are no comments in this format")
	}
}

// text reports whether there is nothing wrong with a text in a column.
func (p *csvParser) text(column int, path, text string, nonEmpty bool) bool {
	switch {
	case nonEmpty && text == "":
		p.problemAt(p.at(column), path, "must not be empty")
	case !utf8.ValidString(text):
		p.problemAt(p.at(column), path, "is not UTF-8")
	case strings.TrimSpace(text) != text:
		p.problemAt(p.at(column), path, "has white space around a name, which would be part of it: remove it")
	default:
		return true
	}
	return false
}
