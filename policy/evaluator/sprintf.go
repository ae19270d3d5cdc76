package evaluator

import (
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// format is a format of sprintf that has no more than plain %s, %v, %q and %d.
type format struct {
	// texts lie around the verbs: there is one more of them.
	texts []string
	verbs []byte
}

// parseFormat gives nil for a format that needs package fmt.
func parseFormat(s string) *format {
	f := &format{}
	var text strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			text.WriteByte(s[i])
			continue
		}
		i++
		if i == len(s) {
			return nil
		}
		switch s[i] {
		case '%':
			text.WriteByte('%')
		case 's', 'v', 'q', 'd':
			f.texts = append(f.texts, text.String())
			f.verbs = append(f.verbs, s[i])
			text.Reset()
		default:
			return nil
		}
	}
	f.texts = append(f.texts, text.String())
	return f
}

// appendTo formats args the way OPA's sprintf does. ok is false for arguments
// that need package fmt.
func (f *format) appendTo(out []byte, args []*ast.Term) (formatted []byte, ok bool) {
	if len(args) != len(f.verbs) {
		return out, false
	}
	for i, arg := range args {
		out = append(out, f.texts[i]...)
		switch v := arg.Value.(type) {
		case ast.String:
			switch f.verbs[i] {
			case 's', 'v':
				out = append(out, v...)
			case 'q':
				out = strconv.AppendQuote(out, string(v))
			default:
				return out, false
			}
		case ast.Number:
			if (f.verbs[i] != 'd' && f.verbs[i] != 'v') || !plainInteger(string(v)) {
				return out, false
			}
			out = append(out, v...)
		default:
			return out, false
		}
	}
	return append(out, f.texts[len(args)]...), true
}

// plainInteger reports whether s is an integer as strconv would write it, and
// small enough for an int64.
func plainInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if len(digits) == 0 || len(digits) > 18 || (digits[0] == '0' && s != "0") {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}
