package httpsource

import (
	"net/url"
	"strings"
	"testing"
)

func TestNextLink(t *testing.T) {
	const next = "https://a.example/?page=2"
	for name, test := range map[string]struct {
		fields []string
		want   string
		bad    bool
	}{
		"no field":                       {},
		"an empty field":                 {fields: []string{""}},
		"the next":                       {fields: []string{`<` + next + `>; rel="next"`}, want: next},
		"without quotes":                 {fields: []string{`<` + next + `>;rel=next`}, want: next},
		"in other case":                  {fields: []string{`<` + next + `>; REL="Next"`}, want: next},
		"space wherever it may be":       {fields: []string{" \t<" + next + "> ; rel = next \t"}, want: next},
		"among others":                   {fields: []string{`<a>; rel="prev", <` + next + `>; rel="next", <z>; rel="last"`}, want: next},
		"in the second field":            {fields: []string{`<a>; rel=prev`, `<` + next + `>; rel=next`}, want: next},
		"one of several relations":       {fields: []string{`<` + next + `>; rel="last next"`}, want: next},
		"after other parameters":         {fields: []string{`<` + next + `>; title="a, <b>; rel=\"x\""; rel="next"; type=text/html`}, want: next},
		"a parameter without a value":    {fields: []string{`<` + next + `>; crossorigin; rel=next`}, want: next},
		"empty elements and parameters":  {fields: []string{`,, <` + next + `>;; rel=next;, ,`}, want: next},
		"relative":                       {fields: []string{`</a?b=c,d;e>; rel=next`}, want: "/a?b=c,d;e"},
		"the first of two":               {fields: []string{`<a>; rel=next, <b>; rel=next`}, want: "a"},
		"only the first rel counts":      {fields: []string{`<a>; rel=last; rel=next`}},
		"no rel":                         {fields: []string{`<a>`}},
		"part of a relation":             {fields: []string{`<a>; rel="next-archive"`}},
		"a relation in another's title":  {fields: []string{`<a>; title="x; rel=next"; rel=last`}},
		"a link from elsewhere":          {fields: []string{`<a>; rel=next; anchor="/b"`}},
		"a link to itself":               {fields: []string{`<>; rel=next`}},
		"no angle":                       {fields: []string{`https://a.example; rel=next`}, bad: true},
		"an open angle":                  {fields: []string{`<https://a.example; rel=next`}, bad: true},
		"an open quote":                  {fields: []string{`<a>; rel="next`}, bad: true},
		"an escape at the end":           {fields: []string{`<a>; rel="next\`}, bad: true},
		"no semicolon":                   {fields: []string{`<a> rel=next`}, bad: true},
		"a parameter without a name":     {fields: []string{`<a>; =next`}, bad: true},
		"a parameter without its value":  {fields: []string{`<a>; rel=`}, bad: true},
		"text after a quote":             {fields: []string{`<a>; rel="next"x`}, bad: true},
		"good, then bad":                 {fields: []string{`<a>; rel=next, b`}, bad: true},
		"no comma between links":         {fields: []string{`<a>; rel=next <b>; rel=next`}, bad: true},
		"an escaped quote in a relation": {fields: []string{`<a>; rel="n\ext"`}, want: "a"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := nextLink(test.fields)
			if (err != nil) != test.bad || !test.bad && got != test.want {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func FuzzNextLink(f *testing.F) {
	for _, field := range []string{
		`<https://a.example/?page=2>; rel="next", <https://a.example/?page=9>; rel="last"`, `<a>; title="\"<b>, \\"; rel=next`,
		`,<>;;rel`, `<a>;rel="`, `<a>; anchor; rel=next`, "\t<a>\t;\trel\t=\tnext",
	} {
		f.Add(field, "")
		f.Add("<b>; rel=prev", field)
	}
	source := &Source{allowed: []string{"a.example 443"}}
	f.Fuzz(func(t *testing.T, first, second string) {
		next, err := nextLink([]string{first, second})
		if err != nil {
			if next != "" || err.Error() != errLink.Error() {
				t.Errorf("%q with %v", next, err)
			}
			return
		}
		if next == "" {
			return
		}
		if !strings.Contains(first, "<"+next+">") && !strings.Contains(second, "<"+next+">") {
			t.Errorf("%q is the target of no link", next)
		}
		if !strings.Contains(strings.ToLower(first+second), "rel") {
			t.Errorf("%q is related to nothing", next)
		}
		to, err := source.follow("https://a.example/list?page=1", next)
		if err != nil {
			return
		}
		parsed, err := url.Parse(to)
		if err != nil || parsed.Scheme != "https" || !strings.EqualFold(parsed.Hostname(), "a.example") || parsed.User != nil {
			t.Errorf("%q leads to %q", next, to)
		}
	})
}
