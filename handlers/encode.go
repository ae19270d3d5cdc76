package handlers

import "github.com/go-json-experiment/json/jsontext"

// appendText appends a member whose value is a string, unless that is empty.
func appendText(b []byte, member, value string) []byte {
	if value == "" {
		return b
	}
	return appendQuoted(append(b, member...), value)
}

// appendQuoted appends a JSON string. Invalid UTF-8 comes out as U+FFFD.
func appendQuoted(b []byte, value string) []byte {
	b, _ = jsontext.AppendQuote(b, value)
	return b
}

// appendStrings appends a list of strings.
func appendStrings(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, item := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, item)
	}
	return append(b, ']')
}
