package celrego

// typeSet is a set of the CEL types that a value can have when it is evaluated.
type typeSet uint16

const (
	null typeSet = 1 << iota
	boolean
	integer
	double
	text
	list
	object
	optional
	typeName

	number = integer | double
)

// ambiguous reports whether the set has two types that are one type in Rego, so
// that rules cannot tell them apart.
func (t typeSet) ambiguous() bool {
	for _, pair := range []typeSet{integer | double, text | typeName, list | optional} {
		if t&pair == pair {
			return true
		}
	}
	return false
}

// kind is what is known of a value before it is evaluated.
type kind struct {
	types typeSet
	// element is the kind of what a list, an object or an optional holds; nil
	// where there is none.
	element *kind
	// keys are the types of an object's keys.
	keys typeSet
	// native says whether a list is one of Go's strings inside cel-go, as split and
	// findAll give it; kube-apiserver takes no such list for groups or extra values.
	native native
	// filled says that a list is never empty.
	filled bool
	// escapes says whether the keys of objects are given in Kubernetes' escaped form.
	escapes escaping
}

// escaping says whether a key such as kubernetes__dot__io stands for
// kubernetes.io, as it does in whatever is reached by selection from the claims,
// but not in what a macro iterates over.
type escaping uint8

const (
	verbatim escaping = iota
	escaped
	mixed
)

// native says whether something is so.
type native uint8

const (
	notNative native = iota
	perhapsNative
	isNative
)

// The kinds of what a token can hold: JSON, of which every number is a double.
var (
	jsonVerbatim = newJSON(verbatim)
	jsonEscaped  = newJSON(escaped)
	jsonMixed    = newJSON(mixed)
)

func newJSON(e escaping) *kind {
	k := &kind{types: null | boolean | double | text | list | object, keys: text, escapes: e}
	k.element = k
	return k
}

func scalar(t typeSet) *kind { return &kind{types: t} }

func listOf(element *kind) *kind { return &kind{types: list, element: element} }

func optionalOf(element *kind) *kind { return &kind{types: optional, element: element} }

func (k *kind) recursive() bool { return k.element == k }

// iterated is the kind of an element that a macro takes from a list: it is not
// wrapped in what unescapes keys.
func (k *kind) iterated() *kind {
	switch {
	case k == nil || k.element == nil:
		return scalar(0)
	case k.element.recursive():
		return jsonVerbatim
	}
	return k.element
}

// join is the kind of a value that is of either kind.
func join(a, b *kind) *kind {
	switch {
	case a == nil || a == b:
		return b
	case b == nil:
		return a
	case a.recursive() && b.recursive():
		return jsonMixed
	}
	out := &kind{types: a.types | b.types, keys: a.keys | b.keys, escapes: a.escapes, native: a.native, filled: a.filled && b.filled}
	switch {
	case a.types&list == 0:
		out.native, out.filled = b.native, b.filled
	case b.types&list == 0:
		out.filled = a.filled
	case a.native != b.native:
		out.native = perhapsNative
	}
	switch {
	case a.types&object == 0:
		out.escapes = b.escapes
	case b.types&object != 0 && a.escapes != b.escapes:
		out.escapes = mixed
	}
	switch {
	case a.element == nil:
		out.element = b.element
	case b.element == nil:
		out.element = a.element
	default:
		out.element = join(a.element, b.element)
	}
	return out
}

// holdsAmbiguous reports whether the value, or something in it, can be of two
// types that rules cannot tell apart, numbers aside.
func (k *kind) holdsAmbiguous() bool {
	for ; k != nil; k = k.element {
		if (k.types &^ double).ambiguous() {
			return true
		}
		if k.recursive() {
			return false
		}
	}
	return false
}

// comparable reports whether equality in Rego is equality in CEL: no type of one
// is a different type of the other that looks the same in Rego. Numbers are equal
// by value in both.
func comparableKinds(a, b *kind) bool {
	for a != nil && b != nil {
		either := a.types | b.types
		if (either &^ double).ambiguous() {
			return false
		}
		if a.recursive() && b.recursive() {
			return true
		}
		a, b = a.element, b.element
	}
	return true
}
