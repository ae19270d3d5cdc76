package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
)

// write gives document in one of its many byte forms.
func write(r *rand.Rand, value any) []byte {
	var b bytes.Buffer
	plain := r.IntN(3) == 0
	space := func() {
		if !plain && r.IntN(4) == 0 {
			b.WriteString([]string{" ", "\n", "\t", "  "}[r.IntN(4)])
		}
	}
	str := func(s string) {
		b.WriteByte('"')
		for _, c := range s {
			switch {
			case c == '"' || c == '\\':
				b.WriteString(`\` + string(c))
			case c == '/' && !plain && r.IntN(2) == 0:
				b.WriteString(`\/`)
			case !plain && r.IntN(8) == 0:
				for _, unit := range utf16.Encode([]rune{c}) {
					hex := strconv.FormatUint(uint64(unit), 16)
					if r.IntN(2) == 0 {
						hex = strings.ToUpper(hex)
					}
					b.WriteString(`\u` + strings.Repeat("0", 4-len(hex)) + hex)
				}
			default:
				b.WriteRune(c)
			}
		}
		b.WriteByte('"')
	}
	var emit func(value any)
	emit = func(value any) {
		space()
		switch v := value.(type) {
		case nil:
			b.WriteString("null")
		case bool:
			b.WriteString(strconv.FormatBool(v))
		case json.Number:
			b.WriteString(string(v))
		case string:
			str(v)
		case []any:
			b.WriteByte('[')
			for i, item := range v {
				if i > 0 {
					b.WriteByte(',')
				}
				emit(item)
			}
			b.WriteByte(']')
		case map[string]any:
			names := slices.Sorted(maps.Keys(v))
			r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			b.WriteByte('{')
			for i, name := range names {
				if i > 0 {
					b.WriteByte(',')
				}
				space()
				str(name)
				space()
				b.WriteByte(':')
				emit(v[name])
			}
			b.WriteByte('}')
		default:
			panic(fmt.Sprintf("%T is not JSON", value))
		}
		space()
	}
	emit(value)
	return b.Bytes()
}

// request is one input as it travels, in one byte form.
type request struct {
	// key is equal for requests that mean the same.
	key   string
	parts [3][]byte
}

func (p *point) request(r *rand.Rand, document map[string]any) request {
	out := request{key: canonical(document)}
	for i, part := range p.split(document) {
		if part != nil {
			out.parts[i] = write(r, part)
		}
	}
	return out
}
