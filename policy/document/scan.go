package document

import (
	"bytes"
	"errors"
)

// MostValues is a number of JSON values that text has no more than. It is exact
// but for characters in strings, and takes a small part of the time of
// CountValues. Names of members are no values. An error is ErrTimeout; until may
// be nil.
func MostValues(until Until, text []byte) (int, error) {
	// A value is the first of an array or object, follows a comma, or is the root.
	count := 1
	err := blocks(until, text, func(block []byte) {
		for _, before := range [...]byte{',', '[', '{'} {
			count += bytes.Count(block, []byte{before})
		}
	})
	return count, err
}

// CountValues is the number of JSON values of text. For a text that is no JSON the
// number has no meaning. An error is ErrTimeout, or a *SyntaxError where it is nested
// too deep; until may be nil.
func CountValues(until Until, text []byte) (int, error) {
	_, count, err := extent(until, text, len(text)+1)
	return count, err
}

// extent is the length in bytes of the JSON value that text begins with, and the
// number of values in it, itself included. With more than most values the number
// is most + 1, and the length is of no use. Nothing is checked: for a text that
// is no JSON both have no meaning. Errors are those of CountValues.
func extent(until Until, text []byte, most int) (length, values int, err error) {
	c := valueCounter{most: most - 1}
	for ended := false; !ended && length < len(text); {
		block := text[length:min(length+blockSize, len(text))]
		var passed int
		passed, ended = c.add(block)
		length += passed
		if c.depth > maxDepth {
			return 0, 0, &SyntaxError{Offset: int64(length - 1), Message: tooDeep}
		}
		if err := pauseAfter(until, length, len(text)); err != nil {
			return 0, 0, err
		}
	}
	return length, min(c.count, most) + 1, nil
}

// valueCounter counts what MostValues does, outside strings and empty objects.
type valueCounter struct {
	count, most     int
	depth           int
	quoted, escaped bool
	opened          bool // an array or object in which nothing came yet
}

// add returns how many bytes of the block it passed, and whether the outermost
// array or object ended with them, or the count or the depth is beyond its bound.
func (c *valueCounter) add(block []byte) (passed int, ended bool) {
	for i, b := range block {
		if c.quoted {
			c.inString(b)
			continue
		}
		opens := false
		switch b {
		case ' ', '\t', '\r', '\n':
			continue
		case '"':
			c.quoted = true
		case ',':
			c.count++
		case '[', '{':
			c.count++
			c.depth++
			opens = true
		case ']', '}':
			c.closes()
			if c.depth <= 0 {
				return i + 1, true
			}
		}
		// What opened may be empty, and then counts for nothing.
		if c.opened = opens; c.beyond() {
			return i + 1, true
		}
	}
	return len(block), false
}

// inString takes the next byte of a string.
func (c *valueCounter) inString(b byte) {
	switch {
	case c.escaped:
		c.escaped = false
	case b == '\\':
		c.escaped = true
	case b == '"':
		c.quoted = false
	}
}

// closes takes the end of an array or object.
func (c *valueCounter) closes() {
	if c.opened {
		c.count--
	}
	c.depth--
}

// beyond reports whether the depth or the count is beyond its bound.
func (c *valueCounter) beyond() bool {
	if c.opened {
		return c.depth > maxDepth || c.count > c.most+1
	}
	return c.count > c.most
}

// nextValue checks the JSON value that text begins with and returns its length.
// What follows it is not read. Every error is a *SyntaxError.
func nextValue(text []byte) (int, error) {
	t := newTokenizer(text, nil)
	defer t.release()
	if _, err := t.decoder.ReadValue(); err != nil {
		return 0, NewSyntaxError(err, t.decoder.InputOffset())
	}
	return int(t.decoder.InputOffset()), nil
}

// Later returns err, of a part of a document that begins offset bytes after the start
// of the document, with the position in the whole document.
func Later(err error, offset int) error {
	if syntax, ok := errors.AsType[*SyntaxError](err); ok {
		moved := *syntax
		moved.Offset += int64(offset)
		return &moved
	}
	return err
}
