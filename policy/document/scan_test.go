package document

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCountValues(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want int
		most int // 0 where it is exact
	}{
		"a number":               {text: `1`, want: 1},
		"a string with commas":   {text: `"a,b[{"`, want: 1, most: 4},
		"an empty array":         {text: `[ ]`, want: 1, most: 2},
		"an empty object":        {text: "{\n}", want: 1, most: 2},
		"empty arrays in a list": {text: `[[],[],[]]`, want: 4, most: 7},
		"numbers":                {text: `[1,2,3]`, want: 4},
		"members":                {text: `{"a":1,"b":{"c":[true,null]}}`, want: 6},
		"escaped quotes":         {text: `{"a\",":"\\","b":"\\\","}`, want: 3, most: 5},
		"deep":                   {text: strings.Repeat("[", 100) + strings.Repeat("]", 100), want: 100, most: 101},
		"beyond a block":         {text: `["` + strings.Repeat(`,\"`, blockSize) + `",1]`, want: 3, most: blockSize + 3},
		"many":                   {text: `[` + strings.Repeat(`"",`, 100_000) + `""]`, want: 100_002},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := CountValues(nil, []byte(test.text))
			if got != test.want || err != nil {
				t.Errorf("counted %d values, error %v, want %d", got, err, test.want)
			}
			if test.most == 0 {
				test.most = test.want
			}
			if got, err := MostValues(nil, []byte(test.text)); got != test.most || err != nil {
				t.Errorf("at most %d values, error %v, want %d", got, err, test.most)
			}
			parsed, err := Parse([]byte(test.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := len(parsed.nodes); got != test.want {
				t.Errorf("the index has %d values, want %d", got, test.want)
			}
		})
	}
}

func TestExtent(t *testing.T) {
	for name, test := range map[string]struct {
		text           string
		most           int
		length, values int // length 0: of no use
	}{
		"an empty object":         {text: `{} , 1`, most: 1, length: 2, values: 1},
		"empty arrays in a list":  {text: `[[],[]],[`, most: 3, length: 7, values: 3},
		"braces in strings":       {text: `{"}]\"}":"{["} }`, most: 2, length: 14, values: 2},
		"as many as may be":       {text: `[1,{"a":[]},3]]`, most: 5, length: 14, values: 5},
		"one too many":            {text: `[1,{"a":[]},3]]`, most: 4, values: 5},
		"nested, one too many":    {text: `[[[[]]]]`, most: 3, values: 4},
		"nested, as many":         {text: `[[[[]]]]`, most: 4, length: 8, values: 4},
		"without an end":          {text: `[1,2`, most: 9, length: 4, values: 3},
		"beyond a block":          {text: `["` + strings.Repeat("x", blockSize) + `",1]2`, most: 3, length: blockSize + 6, values: 3},
		"far too many, in blocks": {text: `[` + strings.Repeat("1,", blockSize) + `1]`, most: 10, values: 11},
	} {
		t.Run(name, func(t *testing.T) {
			length, values, err := extent(nil, []byte(test.text), test.most)
			if err != nil || values != test.values || test.length != 0 && length != test.length {
				t.Errorf("length %d with %d values, error %v; want %d with %d", length, values, err, test.length, test.values)
			}
		})
	}
}

// TestReadingEnds reads documents for callers that wait no longer.
func TestReadingEnds(t *testing.T) {
	over, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for name, text := range map[string]string{
		"numbers":      `[` + strings.Repeat(`1,`, 2000) + `1]`,
		"empty arrays": `[` + strings.Repeat(`[],`, 2000) + `1]`,
		"members":      `{"a":{` + membersText(2000) + `}}`,
		"a long text":  `["` + strings.Repeat(`a`, 1<<20) + `"]`,
	} {
		t.Run(name, func(t *testing.T) {
			if d, err := parseUntil(over, []byte(text)); !errors.Is(err, ErrTimeout) || d != nil {
				t.Errorf("got %v, want ErrTimeout", err)
			}
			if _, err := parseUntil(t.Context(), []byte(text)); err != nil {
				t.Errorf("for a caller that waits: %v", err)
			}
		})
	}
}

func membersText(count int) string {
	var b strings.Builder
	for i := range count {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + strings.Repeat("k", 1+i/26) + string(rune('a'+i%26)) + `":1`)
	}
	return b.String()
}
