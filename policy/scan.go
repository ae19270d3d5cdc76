package policy

import "errors"

// NextValue checks the JSON value that text begins with and returns its length.
// What comes after it is not looked at. Every error is a *SyntaxError.
func NextValue(text []byte) (int, error) {
	t := newTokenizer(text)
	defer t.release()
	if _, err := t.decoder.ReadValue(); err != nil {
		return 0, NewSyntaxError(err, t.decoder.InputOffset())
	}
	return int(t.decoder.InputOffset()), nil
}

// Later returns err, of a part of a document that begins offset bytes into it,
// with the position in the whole document.
func Later(err error, offset int) error {
	if syntax, ok := errors.AsType[*SyntaxError](err); ok {
		moved := *syntax
		moved.Offset += int64(offset)
		return &moved
	}
	return err
}
