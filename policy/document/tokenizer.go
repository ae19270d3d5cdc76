package document

import (
	"bytes"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

var tokenizers = sync.Pool{New: func() any {
	t := &tokenizer{}
	t.decoder = jsontext.NewDecoder(&t.buffer)
	return t
}}

// tokenizer is a jsontext.Decoder that is used again. Its buffer aliases the
// text that is read, and is never written to.
type tokenizer struct {
	decoder *jsontext.Decoder
	buffer  bytes.Buffer
	until   Until
	large   bool
}

func newTokenizer(text []byte, until Until) *tokenizer {
	// The decoder keeps the names of an object until it reads the next one.
	const large = 1 << 20
	t := tokenizers.Get().(*tokenizer)
	t.buffer, t.until, t.large = *bytes.NewBuffer(text), until, len(text) > large
	t.decoder.Reset(&t.buffer)
	return t
}

func (t *tokenizer) release() {
	if t.large {
		return
	}
	t.buffer, t.until = bytes.Buffer{}, nil
	t.decoder.Reset(&t.buffer)
	tokenizers.Put(t)
}
