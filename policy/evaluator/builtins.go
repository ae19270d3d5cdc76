package evaluator

import (
	"strings"
	"unicode/utf8"

	"github.com/open-policy-agent/opa/v1/ast"
)

// builtin is what is known of one of OPA's builtin functions.
type builtin struct {
	// inline does what the function does without a call through OPA. It has to agree
	// with OPA for every argument that it takes.
	inline inline
	// cost is how much a call is worth remembering.
	cost cost
	// prompt says that a call takes little longer than it takes to read its operands
	// and to write its result. Those that are done inline are prompt.
	prompt bool
}

// inline is one of three ways in which a function is done; without any, OPA does it.
type inline struct {
	// is asks for the type of the one argument.
	is func(ast.Value) bool
	// holds gives true or false for two arguments.
	holds predicate
	// value gives a value for so many arguments, nil for those that it leaves to OPA.
	value     func(args []*ast.Term) *ast.Term
	arguments int
}

// predicate is a builtin function of two arguments whose result is true or
// false. ok is false for arguments that it leaves to OPA's own implementation.
type predicate func(a, b *ast.Term) (holds, ok bool)

// cost is how much a call of a function is worth remembering.
type cost int

const (
	// cheap functions are called again faster than they are looked up.
	cheap cost = iota
	// moderate functions take about as long as a look into a table: they remember their
	// last call.
	moderate
	// expensive functions loop, or may take long: they have a table of their calls.
	expensive
)

// builtinOf is the row of the function called name. Of functions without a row, calls
// are remembered, and may take long.
func builtinOf(name string) builtin {
	if known, ok := builtins[name]; ok {
		return known
	}
	return builtin{cost: expensive}
}

// builtins are the functions that policies call often: to add one takes a row, and no
// other file. Not prompt are those that compare each character of one text with all of
// another: indexof, trim, trim_left and trim_right.
var builtins = map[string]builtin{
	ast.Equal.Name:         {inline: inline{holds: func(a, b *ast.Term) (bool, bool) { return a.Equal(b), true }}, cost: cheap, prompt: true},
	ast.NotEqual.Name:      {inline: inline{holds: func(a, b *ast.Term) (bool, bool) { return !a.Equal(b), true }}, cost: cheap, prompt: true},
	ast.LessThan.Name:      {inline: inline{holds: func(a, b *ast.Term) (bool, bool) { return a.Value.Compare(b.Value) < 0, true }}, cost: cheap, prompt: true},
	ast.LessThanEq.Name:    {inline: inline{holds: func(a, b *ast.Term) (bool, bool) { return a.Value.Compare(b.Value) <= 0, true }}, cost: cheap, prompt: true},
	ast.GreaterThan.Name:   {inline: inline{holds: func(a, b *ast.Term) (bool, bool) { return a.Value.Compare(b.Value) > 0, true }}, cost: cheap, prompt: true},
	ast.GreaterThanEq.Name: {inline: inline{holds: func(a, b *ast.Term) (bool, bool) { return a.Value.Compare(b.Value) >= 0, true }}, cost: cheap, prompt: true},
	ast.Member.Name:        {inline: inline{holds: func(a, b *ast.Term) (bool, bool) { return member(a, b), true }}, cost: cheap, prompt: true},
	ast.StartsWith.Name:    {inline: inline{holds: ofStrings(strings.HasPrefix)}, cost: cheap, prompt: true},
	ast.EndsWith.Name:      {inline: inline{holds: ofStrings(strings.HasSuffix)}, cost: cheap, prompt: true},
	ast.Contains.Name:      {inline: inline{holds: ofStrings(strings.Contains)}, cost: cheap, prompt: true},

	ast.IsString.Name:  {inline: inline{is: func(v ast.Value) bool { _, ok := v.(ast.String); return ok }}, cost: cheap, prompt: true},
	ast.IsNumber.Name:  {inline: inline{is: func(v ast.Value) bool { _, ok := v.(ast.Number); return ok }}, cost: cheap, prompt: true},
	ast.IsBoolean.Name: {inline: inline{is: func(v ast.Value) bool { _, ok := v.(ast.Boolean); return ok }}, cost: cheap, prompt: true},
	ast.IsArray.Name:   {inline: inline{is: func(v ast.Value) bool { _, ok := v.(*ast.Array); return ok }}, cost: cheap, prompt: true},
	ast.IsObject.Name:  {inline: inline{is: func(v ast.Value) bool { _, ok := v.(ast.Object); return ok }}, cost: cheap, prompt: true},
	ast.IsSet.Name:     {inline: inline{is: func(v ast.Value) bool { _, ok := v.(ast.Set); return ok }}, cost: cheap, prompt: true},
	ast.IsNull.Name:    {inline: inline{is: func(v ast.Value) bool { _, ok := v.(ast.Null); return ok }}, cost: cheap, prompt: true},

	ast.Count.Name:     {inline: inline{value: size, arguments: 1}, cost: moderate, prompt: true},
	ast.ObjectGet.Name: {inline: inline{value: objectGet, arguments: 3}, cost: moderate, prompt: true},

	ast.Abs.Name:             {cost: moderate, prompt: true},
	ast.Ceil.Name:            {cost: moderate, prompt: true},
	ast.Concat.Name:          {cost: moderate, prompt: true},
	ast.Divide.Name:          {cost: moderate, prompt: true},
	ast.Floor.Name:           {cost: moderate, prompt: true},
	ast.FormatInt.Name:       {cost: moderate, prompt: true},
	ast.IndexOf.Name:         {cost: moderate},
	ast.Lower.Name:           {cost: moderate, prompt: true},
	ast.MemberWithKey.Name:   {cost: moderate, prompt: true},
	ast.Minus.Name:           {cost: moderate, prompt: true},
	ast.Multiply.Name:        {cost: moderate, prompt: true},
	ast.ObjectKeys.Name:      {cost: moderate, prompt: true},
	ast.Plus.Name:            {cost: moderate, prompt: true},
	ast.Rem.Name:             {cost: moderate, prompt: true},
	ast.Replace.Name:         {cost: moderate},
	ast.Round.Name:           {cost: moderate, prompt: true},
	ast.Split.Name:           {cost: moderate, prompt: true},
	ast.Sprintf.Name:         {cost: moderate, prompt: true},
	ast.Substring.Name:       {cost: moderate, prompt: true},
	ast.ToNumber.Name:        {cost: moderate, prompt: true},
	ast.Trim.Name:            {cost: moderate},
	ast.TrimLeft.Name:        {cost: moderate},
	ast.TrimPrefix.Name:      {cost: moderate, prompt: true},
	ast.TrimRight.Name:       {cost: moderate},
	ast.TrimSpace.Name:       {cost: moderate, prompt: true},
	ast.TrimSuffix.Name:      {cost: moderate, prompt: true},
	ast.TypeNameBuiltin.Name: {cost: moderate, prompt: true},
	ast.Upper.Name:           {cost: moderate, prompt: true},

	ast.And.Name:          {cost: expensive, prompt: true},
	ast.ArrayConcat.Name:  {cost: expensive, prompt: true},
	ast.ArraySlice.Name:   {cost: expensive, prompt: true},
	ast.Max.Name:          {cost: expensive, prompt: true},
	ast.Min.Name:          {cost: expensive, prompt: true},
	ast.ObjectRemove.Name: {cost: expensive, prompt: true},
	ast.ObjectUnion.Name:  {cost: expensive, prompt: true},
	ast.Or.Name:           {cost: expensive, prompt: true},
	ast.Sort.Name:         {cost: expensive, prompt: true},
	ast.Sum.Name:          {cost: expensive, prompt: true},
}

// ofStrings is a predicate that takes strings.
func ofStrings(holds func(a, b string) bool) predicate {
	return func(a, b *ast.Term) (bool, bool) {
		x, ok1 := a.Value.(ast.String)
		y, ok2 := b.Value.(ast.String)
		if !ok1 || !ok2 {
			return false, false
		}
		return holds(string(x), string(y)), true
	}
}

// member is internal.member_2, the function behind `in`.
func member(elem, collection *ast.Term) bool {
	switch c := collection.Value.(type) {
	case *ast.Array:
		if s, ok := elem.Value.(ast.String); ok {
			for i, n := 0, c.Len(); i < n; i++ {
				if v, ok := c.Elem(i).Value.(ast.String); ok && v == s {
					return true
				}
			}
			return false
		}
		if n, ok := elem.Value.(ast.Number); ok {
			return memberNumber(n, c)
		}
		for i, n := 0, c.Len(); i < n; i++ {
			if elem.Equal(c.Elem(i)) {
				return true
			}
		}
		return false
	case ast.Set:
		return c.Contains(elem)
	case ast.Object:
		return c.Until(func(_, v *ast.Term) bool { return elem.Equal(v) })
	}
	return false
}

// memberNumber compares how numbers are written before it compares their values.
func memberNumber(n ast.Number, c *ast.Array) bool {
	for i, l := 0, c.Len(); i < l; i++ {
		if v, ok := c.Elem(i).Value.(ast.Number); ok && (v == n || v.Equal(n)) {
			return true
		}
	}
	return false
}

// size is count of OPA.
func size(args []*ast.Term) *ast.Term {
	switch v := args[0].Value.(type) {
	case *ast.Array:
		return ast.InternedTerm(v.Len())
	case ast.Object:
		return ast.InternedTerm(v.Len())
	case ast.Set:
		return ast.InternedTerm(v.Len())
	case ast.String:
		return ast.InternedTerm(utf8.RuneCountInString(string(v)))
	}
	return nil
}

// objectGet is object.get of OPA, whose key may be a path.
func objectGet(args []*ast.Term) *ast.Term {
	object, key, otherwise := args[0], args[1], args[2]
	if objectIn(object) == nil {
		return nil
	}
	found := object
	if path, ok := key.Value.(*ast.Array); ok {
		for i, n := 0, path.Len(); i < n && found != nil; i++ {
			found = found.Get(path.Elem(i))
		}
	} else {
		found = found.Get(key)
	}
	if found == nil {
		return otherwise
	}
	return found
}
