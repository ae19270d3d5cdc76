# METADATA
# title: Integers
# description: Reading whole numbers out of label, taint and toleration values.
package lib.integers

# METADATA
# title: Integer
# description: |
#   The 64-bit integer in the text, in decimal with an optional sign. Undefined for
#   any other value, so that unexpected text is never a policy error.
# scope: document
parse(text) := number if {
	is_string(text)
	regex.match(`^[+-]?[0-9]+$`, text)
	digits := trim_left(text, "+-0")
	count(digits) <= 19
	number := _signed(startswith(text, "-"), _magnitude(digits))
	number >= -9223372036854775808
	number <= 9223372036854775807
}

_magnitude("") := 0

_magnitude(digits) := to_number(digits) if digits != ""

_signed(true, magnitude) := 0 - magnitude

_signed(false, magnitude) := magnitude
