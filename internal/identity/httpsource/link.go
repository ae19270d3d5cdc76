package httpsource

import (
	"errors"
	"strings"
)

// errLink says that a Link field cannot be read: it might name a next page.
var errLink = errors.New("the Link header cannot be read")

// nextLink returns the target of the first link to the next page in the Link
// fields of an answer (RFC 8288 §3), "" when there is none. The target may be
// relative. The error quotes nothing.
func nextLink(fields []string) (string, error) {
	next := ""
	for _, field := range fields {
		for rest := skipSpace(field); rest != ""; rest = skipSpace(rest) {
			// An element of a list may be empty (RFC 9110 §5.6.1).
			if rest[0] == ',' {
				rest = rest[1:]
				continue
			}
			target, isNext, after, ok := cutLink(rest)
			if !ok {
				return "", errLink
			}
			if isNext && next == "" {
				next = target
			}
			rest = after
		}
	}
	return next, nil
}

// cutLink takes one link off text: <target> and its parameters. isNext says that
// it leads from this page to the next.
func cutLink(text string) (target string, isNext bool, rest string, ok bool) {
	if text[0] != '<' {
		return "", false, "", false
	}
	target, rest, ok = strings.Cut(text[1:], ">")
	if !ok {
		return "", false, "", false
	}
	relation, hasRelation, elsewhere := "", false, false
	for {
		rest = skipSpace(rest)
		if rest == "" || rest[0] == ',' {
			break
		}
		if rest[0] != ';' {
			return "", false, "", false
		}
		rest = skipSpace(rest[1:])
		if rest == "" || rest[0] == ';' || rest[0] == ',' {
			continue
		}
		var name, value string
		if name, value, rest, ok = cutParameter(rest); !ok {
			return "", false, "", false
		}
		switch {
		case strings.EqualFold(name, "rel") && !hasRelation:
			// Only the first one counts (RFC 8288 §3.3).
			relation, hasRelation = value, true
		case strings.EqualFold(name, "anchor"):
			// A link from somewhere else (RFC 8288 §3.2).
			elsewhere = true
		}
	}
	for one := range strings.FieldsSeq(relation) {
		isNext = isNext || strings.EqualFold(one, "next")
	}
	return target, isNext && !elsewhere && target != "", rest, true
}

// cutParameter takes name, name=token or name="quoted" off text.
func cutParameter(text string) (name, value, rest string, ok bool) {
	end := 0
	for end < len(text) && isTokenCharacter(text[end]) {
		end++
	}
	if end == 0 {
		return "", "", "", false
	}
	name, rest = text[:end], skipSpace(text[end:])
	if rest == "" || rest[0] != '=' {
		return name, "", rest, true
	}
	rest = skipSpace(rest[1:])
	if rest != "" && rest[0] == '"' {
		value, rest, ok = cutQuoted(rest[1:])
		return name, value, rest, ok
	}
	end = 0
	for end < len(rest) && rest[end] != ';' && rest[end] != ',' && rest[end] != ' ' && rest[end] != '\t' {
		end++
	}
	return name, rest[:end], rest[end:], end > 0
}

// cutQuoted takes what is left of a quoted string off text (RFC 9110 §5.6.4).
func cutQuoted(text string) (value, rest string, ok bool) {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			return out.String(), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		out.WriteByte(text[i])
	}
	return "", "", false
}

func skipSpace(text string) string { return strings.TrimLeft(text, " \t") }

// isTokenCharacter reports whether a character may be in the name of a field or
// of a parameter (RFC 9110 §5.6.2).
func isTokenCharacter(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}
