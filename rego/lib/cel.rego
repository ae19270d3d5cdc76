# METADATA
# title: CEL
# description: |
#   CEL's operators and functions, for rules that
#   `verdict import authentication-configuration` writes. A function is undefined
#   where CEL's evaluation ends in an error. An optional of CEL is a list here,
#   either empty or with one value.
package lib.cel

# METADATA
# title: Exact
# description: |
#   Whether every number in a value is the same number in CEL, where it becomes a
#   double: whole and up to 2^53, or with at most 15 digits.
# scope: document
exact(value) if not _inexact(value)

_inexact(value) if {
	walk(value, [_, part])
	is_number(part)
	not _double(part)
}

_double(number) if {
	number == floor(number)
	abs(number) <= 9007199254740992
	not regex.match(`^-0(\.0*)?([eE].*)?$`, json.marshal(number))
}

_double(number) if regex.match(`^-?[0-9]{1,9}\.[0-9]{1,6}$`, json.marshal(number))

# METADATA
# title: Defined
# description: True for every value that is defined.
defined(_) := true

# METADATA
# title: Field presence
# description: |
#   has(value.key): whether an object has the key; false for a value that is not an
#   object, and an error for a list.
# scope: document
has(value, key) := key in object.keys(value) if is_object(value)

has(value, _) := false if not type_name(value) in {"array", "object"}

# METADATA
# title: Member
# description: |
#   collection[key]: an element of a list by its index, or a member of an object.
# scope: document
at(collection, key) := collection[_index(key)] if is_array(collection)

at(collection, key) := collection[key] if {
	is_object(collection)
	is_string(key)
}

_index(key) := to_number(format_int(key, 10)) if {
	is_number(key)
	key >= 0
	key == floor(key)
}

# METADATA
# title: Plain key
# description: |
#   Whether a key is surely not in the escaped form that CEL in Kubernetes gives to
#   names such as kubernetes.io.
plain_key(key) if {
	is_string(key)
	not contains(key, "__")
}

plain_key(key) if not is_string(key)

# METADATA
# title: Elements
# description: |
#   The values that a macro with one variable visits: the elements of a list, or the
#   keys of an object.
# scope: document
elements(collection) := collection if is_array(collection)

elements(collection) := [key | some key, _ in collection] if is_object(collection)

# METADATA
# title: Collection
# description: The value that a macro with two variables visits, a list or an object.
# scope: document
collection(value) := value if is_array(value)

collection(value) := value if is_object(value)

# METADATA
# title: Membership
# description: Whether an element is in a list, or a key in an object.
# scope: document
in_collection(element, collection) := element in collection if is_array(collection)

in_collection(element, collection) := element in object.keys(collection) if is_object(collection)

# METADATA
# title: Joined lists
# description: One list of the elements of several.
joined(lists) := [element |
	some list in lists
	some element in list
]

# METADATA
# title: Names
# description: |
#   Strings that are not empty, as Kubernetes reads groups and extra values from an
#   expression: a list of strings, one string, or null for none.
# scope: document
texts(value) := [text | some text in [value]; text != ""] if is_string(value)

texts(null) := []

texts(value) := [text | some text in value; text != ""] if {
	is_array(value)
	every element in value {
		is_string(element)
	}
}

# METADATA
# title: Optional member
# description: collection[?key], as an optional.
# scope: document
optional(collection, key) := [member | member := collection[key]] if {
	is_object(collection)
	is_string(key)
}

optional(collection, key) := [] if {
	is_object(collection)
	type_name(key) in {"boolean", "number"}
}

optional(collection, key) := [member | member := collection[_index(key)]] if {
	is_array(collection)
	is_number(key)
	key == floor(key)
}

optional(value, key) := [] if {
	not type_name(value) in {"array", "object"}
	type_name(key) in {"boolean", "number", "string"}
}

# METADATA
# title: Optional member of an optional
# description: The same for the value in an optional; an empty optional stays empty.
# scope: document
optional_in([], _) := []

optional_in([collection], key) := optional(collection, key)

# METADATA
# title: Value or default
# description: The value of an optional, or the given value when it is empty.
# scope: document
or_value([], value) := value

or_value([value], _) := value

# METADATA
# title: Value of an optional
# description: Undefined for an empty optional.
value(maybe) := maybe[0]

# METADATA
# title: Optional of a value that is not zero
# description: Empty for null, false, 0 and an empty string.
optional_of_non_zero(value) := [v | some v in [value]; not _zero(v)]

_zero(value) if value in [null, false, 0, ""]

# METADATA
# title: Comparable
# description: Whether two values are of one type whose values have an order.
comparable(a, b) if {
	type_name(a) in {"boolean", "number", "string"}
	type_name(a) == type_name(b)
}

# METADATA
# title: Whole numbers
# description: |
#   The operators of CEL's int, of 64 bits; undefined where the result has more
#   bits. Division rounds towards zero.
# scope: document
int_add(a, b) := _int64(a + b)

# METADATA
# title: Difference
# description: a - b of CEL's int.
int_subtract(a, b) := _int64(a - b)

# METADATA
# title: Product
# description: a * b of CEL's int.
int_multiply(a, b) := _int64(a * b)

# METADATA
# title: Quotient
# description: a / b of CEL's int.
int_divide(a, b) := _int64((a - (a % b)) / b) if b != 0

# METADATA
# title: Remainder
# description: |
#   a % b of CEL's int, undefined for 0 and where the quotient has more than 64 bits.
int_modulo(a, b) := a % b if not b in {0, -1}

int_modulo(a, -1) := 0 if _int64(0 - a) != null

_int64(number) := number if {
	number >= -9223372036854775808
	number <= 9223372036854775807
}

# METADATA
# title: Sum
# description: |
#   a + b of strings, of lists, or of doubles. Arithmetic with doubles is defined
#   where it is exact: for whole numbers up to 2^53.
# scope: document
add(a, b) := concat("", [a, b]) if {
	is_string(a)
	is_string(b)
}

add(a, b) := array.concat(a, b) if {
	is_array(a)
	is_array(b)
}

add(a, b) := _whole(_whole(a) + _whole(b))

# METADATA
# title: Difference of doubles
# description: a - b, of whole numbers.
subtract(a, b) := _whole(_whole(a) - _whole(b))

# METADATA
# title: Product of doubles
# description: a * b, of whole numbers.
multiply(a, b) := _whole(_whole(a) * _whole(b))

# METADATA
# title: Quotient of doubles
# description: a / b, of whole numbers whose quotient is a whole number.
divide(a, b) := _whole(_whole(a) / _whole(b)) if b != 0

_whole(number) := number if {
	is_number(number)
	number == floor(number)
	abs(number) <= 9007199254740992
}

# METADATA
# title: Size
# description: The number of characters, elements or members.
size(value) := count(value) if type_name(value) in {"string", "array", "object"}

# METADATA
# title: Type
# description: CEL's name of the type of a value in JSON.
type(value) := {
	"null": "null_type", "boolean": "bool", "number": "double",
	"string": "string", "array": "list", "object": "map",
}[type_name(value)]

# METADATA
# title: Conversion to a string
# description: string(value) of a string, a boolean or a double.
# scope: document
string(value) := value if is_string(value)

string(value) := json.marshal(value) if is_boolean(value)

string(0) := "0"

string(value) := sprintf("%s%s", [_sign(value), format_int(abs(value), 10)]) if {
	_whole(value) != 0
	abs(value) < 1000000
}

string(value) := trim_right(digits, "0") if {
	is_number(value)
	value != floor(value)
	abs(value) >= 0.0001
	abs(value) < 1000000
	digits := json.marshal(value)
	regex.match(`^-?[0-9]+\.[0-9]+$`, digits)
}

# Beyond a million Go's shortest form has an exponent.
string(value) := sprintf("%s%s%se+%s", [_sign(value), substring(digits, 0, 1), _fraction(digits), exponent]) if {
	abs(_whole(value)) >= 1000000
	digits := format_int(abs(value), 10)
	exponent := _two_digits(count(digits) - 1)
}

_sign(number) := "-" if number < 0

_sign(number) := "" if number >= 0

_fraction(digits) := concat("", [".", rest]) if {
	rest := trim_right(substring(digits, 1, -1), "0")
	rest != ""
} else := ""

_two_digits(number) := format_int(number, 10) if number >= 10

_two_digits(number) := concat("", ["0", format_int(number, 10)]) if number < 10

# METADATA
# title: Conversion to a whole number
# description: int(value) of a double, which is rounded towards zero, or of digits.
# scope: document
int(value) := floor(value) if {
	is_number(value)
	value >= 0
	value < 9223372036854775807
}

int(value) := ceil(value) if {
	is_number(value)
	value < 0
	value > -9223372036854775808
}

int(value) := _int64(to_number(regex.replace(value, `^(-?)\+?0*([0-9])`, "$1$2"))) if {
	is_string(value)
	regex.match(`^[+-]?[0-9]{1,30}$`, value)
}

# METADATA
# title: Conversion to a double
# description: double(value) of a whole number, or of digits.
# scope: document
double(value) := _whole(value)

double(value) := number if {
	is_string(value)
	regex.match(`^[+-]?[0-9]{1,16}(\.[0-9]{1,6})?$`, value)
	number := to_number(regex.replace(value, `^(-?)\+?0*([0-9])`, "$1$2"))
	_double(number)
}

# METADATA
# title: Conversion to a boolean
# description: bool(value) of a boolean, or of a string as Go reads it.
# scope: document
bool(value) := value if is_boolean(value)

bool(value) if value in {"1", "t", "T", "TRUE", "true", "True"}

bool(value) := false if value in {"0", "f", "F", "FALSE", "false", "False"}

# METADATA
# title: Lower case
# description: The letters A to Z in lower case.
lower_ascii(text) := strings.replace_n(_lower, text)

# METADATA
# title: Upper case
# description: The letters a to z in upper case.
upper_ascii(text) := strings.replace_n(_upper, text)

_letters := "abcdefghijklmnopqrstuvwxyz"

_lower := {upper(letter): letter | some letter in split(_letters, "")}

_upper := {letter: upper(letter) | some letter in split(_letters, "")}

# METADATA
# title: Matches
# description: Whether a regular expression (RE2) matches somewhere.
matches(text, pattern) := regex.match(pattern, text) if regex.is_valid(pattern)

# METADATA
# title: Find
# description: The first match of a regular expression, or an empty string.
find(text, pattern) := concat("", regex.find_n(pattern, text, 1)) if regex.is_valid(pattern)

# METADATA
# title: Find all
# description: All matches of a regular expression.
find_all(text, pattern) := regex.find_n(pattern, text, -1) if regex.is_valid(pattern)

# METADATA
# title: Find some
# description: Up to limit matches of a regular expression; all, when limit is below 0.
find_some(text, pattern, limit) := array.slice(all, 0, _limit(limit, count(all))) if all := find_all(text, pattern)

_limit(limit, all) := all if limit < 0

_limit(limit, all) := min({limit, all}) if limit >= 0

# METADATA
# title: Character
# description: The character at an index, empty at the end.
char_at(text, index) := substring(text, index, 1) if {
	index >= 0
	index <= count(text)
}

# METADATA
# title: Substring
# description: The characters from one index to before another.
between(text, from, to) := substring(text, from, to - from) if {
	from >= 0
	from <= to
	to <= count(text)
}

# METADATA
# title: Rest of a string
# description: The characters from an index to the end.
substring_from(text, from) := between(text, from, count(text))

# METADATA
# title: Index in a string
# description: The index at which the first occurrence begins, -1 when there is none.
index_of(text, sought) := index_of_from(text, sought, 0)

# METADATA
# title: Index in the rest of a string
# description: The first occurrence that does not begin before an index.
# scope: document
index_of_from(text, "", from) := min({from, count(text)}) if from >= 0

index_of_from(text, sought, from) := _first(indexof_n(text, sought), from) if {
	sought != ""
	from >= 0
}

# METADATA
# title: Last index in a string
# description: The index at which the last occurrence begins, -1 when there is none.
# scope: document
last_index_of(text, "") := count(text)

last_index_of(text, sought) := _last(indexof_n(text, sought), count(text)) if sought != ""

# METADATA
# title: Last index in the beginning of a string
# description: The last occurrence that does not begin after an index; -1 for an index beyond the end.
# scope: document
last_index_of_from(text, "", to) := min({to, count(text)}) if to >= 0

last_index_of_from(text, sought, to) := _last(indexof_n(text, sought), to) if {
	sought != ""
	to >= 0
	to < count(text)
}

last_index_of_from(text, sought, to) := -1 if {
	sought != ""
	to >= count(text)
}

_first(places, from) := min(found) if {
	found := {i | some i in places; i >= from}
	count(found) > 0
} else := -1

_last(places, to) := max(found) if {
	found := {i | some i in places; i <= to}
	count(found) > 0
} else := -1

# METADATA
# title: Parts of a string
# description: Up to limit parts between separators; all, when limit is below 0.
# scope: document
split_some(text, separator, limit) := split(text, separator) if limit < 0

split_some(_, _, 0) := []

split_some(text, separator, limit) := split(text, separator) if {
	limit > 0
	count(split(text, separator)) <= limit
}

split_some(text, separator, limit) := array.concat(array.slice(parts, 0, limit - 1), [rest]) if {
	limit > 0
	parts := split(text, separator)
	count(parts) > limit
	rest := concat(separator, array.slice(parts, limit - 1, count(parts)))
}

# METADATA
# title: Replacement
# description: |
#   Every occurrence replaced; an empty string occurs around each character.
# scope: document
replaced(text, old, new) := replace(text, old, new) if old != ""

replaced(text, "", new) := concat(new, array.concat(array.concat([""], split(text, "")), [""]))

# METADATA
# title: Replacement of some
# description: The first limit occurrences replaced; all, when limit is below 0.
# scope: document
replace_some(text, old, new, limit) := replaced(text, old, new) if limit < 0

replace_some(text, _, _, 0) := text

replace_some(text, old, new, limit) := concat(new, split_some(text, old, limit + 1)) if {
	limit > 0
	old != ""
}

# METADATA
# title: Join
# description: The strings of a list joined to one string.
join(list) := join_with(list, "")

# METADATA
# title: Join with a separator
# description: The strings of a list joined to one string, with a separator between them.
join_with(list, separator) := concat(separator, list) if {
	every element in list {
		is_string(element)
	}
}

# METADATA
# title: Superset
# description: Whether a list has every element of another list.
set_contains(list, others) := count([other | some other in others; not other in list]) == 0

# METADATA
# title: Equal as sets
# description: Whether each of two lists has every element of the other.
set_equivalent(a, b) := count([1 |
	some pair in [[a, b], [b, a]]
	set_contains(pair[0], pair[1])
]) == 2

# METADATA
# title: Intersection
# description: Whether two lists have an element in common.
set_intersects(a, b) := count([1 | some element in a; element in b]) > 0

# METADATA
# title: Range
# description: The whole numbers from 0 up to but without a number, at most a thousand.
# scope: document
range(number) := numbers.range(0, number - 1) if {
	number > 0
	number <= 1000
}

range(0) := []

# METADATA
# title: Distinct
# description: The elements of a list, each at its first place.
distinct(list) := [element |
	some i, element in list
	not element in array.slice(list, 0, i)
]

# METADATA
# title: Sorted
# description: The elements of a list, sorted; they are of one type, and the type has an order.
sorted(list) := sort(list) if _ordered(list)

_ordered(list) if {
	types := {type_name(element) | some element in list}
	count(types) <= 1
	types & {"null", "array", "object"} == set()
}

# METADATA
# title: Is sorted
# description: Whether a list is in the order of its elements.
is_sorted(list) := list == sort(list) if _ordered(list)

# METADATA
# title: Smallest element
# description: Undefined for an empty list.
smallest(list) := sort(list)[0] if _ordered(list)

# METADATA
# title: Largest element
# description: Undefined for an empty list.
largest(list) := sort(list)[count(list) - 1] if _ordered(list)

# METADATA
# title: Slice
# description: The elements from one index to before another.
slice(list, from, to) := array.slice(list, from, to) if {
	from >= 0
	from <= to
	to <= count(list)
}

# METADATA
# title: First
# description: The first element, as an optional.
first(list) := array.slice(list, 0, 1)

# METADATA
# title: Last
# description: The last element, as an optional.
last(list) := array.slice(list, count(list) - 1, count(list))

# METADATA
# title: Flattened
# description: The elements of a list; an element that is a list is replaced by its elements.
flatten(list) := joined([part |
	some element in list
	part := _flat(element)
])

_flat(element) := element if is_array(element)

_flat(element) := [element] if not is_array(element)

# METADATA
# title: Index in a list
# description: The index of the first equal element, -1 when there is none.
index_in(list, sought) := _first({i | some i, element in list; element == sought}, 0)

# METADATA
# title: Last index in a list
# description: The index of the last equal element, -1 when there is none.
last_index_in(list, sought) := _last({i | some i, element in list; element == sought}, count(list))

# METADATA
# title: Index in either
# description: index_of in a string, index_in in a list.
# scope: document
index_of_either(list, sought) := index_in(list, sought) if is_array(list)

index_of_either(text, sought) := index_of(text, sought) if {
	is_string(text)
	is_string(sought)
}

# METADATA
# title: Last index in either
# description: last_index_of in a string, last_index_in in a list.
# scope: document
last_index_of_either(list, sought) := last_index_in(list, sought) if is_array(list)

last_index_of_either(text, sought) := last_index_of(text, sought) if {
	is_string(text)
	is_string(sought)
}

# METADATA
# title: Never
# description: Undefined, in place of an expression that is always an error.
never := json.unmarshal("null") if false
