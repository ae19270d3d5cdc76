# METADATA
# title: Quantities
# description: |
#   Kubernetes quantities (500m, 1.5Gi, 2e3) as numbers, by the rules of
#   resource.Quantity. All arithmetic uses whole numbers and decimal text, so no
#   digit is lost.
package lib.quantities

# METADATA
# title: Quantity
# description: |
#   The number of a quantity: 0.5 for 500m, 1073741824 for 1Gi. As in Kubernetes,
#   amounts finer than a billionth are rounded away from zero, and amounts with a
#   binary suffix are at most 2^63-1. A number is returned unchanged. Undefined for
#   text that is not a quantity, or that has more than 40 digits or an exponent
#   beyond 99.
# scope: document
parse(quantity) := quantity if is_number(quantity)

parse(quantity) := number if {
	is_string(quantity)
	[[_, sign, whole, fraction, suffix]] := regex.find_all_string_submatch_n(_pattern, quantity, 1)
	unit := _unit(suffix)
	amount := to_number(_without_leading_zeros(concat("", [whole, fraction]))) * unit.factor
	rounded := _rounded(json.marshal(amount), unit.exponent - count(fraction))
	number := to_number(concat("", [_minus(sign, rounded), _limited(unit, rounded)]))
}

# METADATA
# title: Valid quantity
# description: True when parse gives a number, else false.
# scope: document
default valid(_) := false

valid(quantity) if is_number(parse(quantity))

_pattern := `^([+-]?)([0-9]{0,40})(?:\.([0-9]{0,40}))?([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2}|)$`

# Decimal units shift the point; binary ones multiply, 1Ki by 1024.
_decimal := {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}

_binary := {
	"Ki": 1024,
	"Mi": 1048576,
	"Gi": 1073741824,
	"Ti": 1099511627776,
	"Pi": 1125899906842624,
	"Ei": 1152921504606846976,
}

_unit(suffix) := {"factor": 1, "exponent": _decimal[suffix], "binary": false}

_unit(suffix) := {"factor": _binary[suffix], "exponent": 0, "binary": true}

_unit(suffix) := {"factor": 1, "exponent": exponent, "binary": false} if {
	count(suffix) > 1
	lower(substring(suffix, 0, 1)) == "e"
	exponent := data.lib.integers.parse(substring(suffix, 1, -1))
}

# _rounded gives digits × 10^exponent as plain decimal text with at most nine
# places behind the point.
_rounded(digits, exponent) := concat("", [digits, _zeros(exponent)]) if exponent >= 0

_rounded(digits, exponent) := _pointed(digits, 0 - exponent) if {
	exponent < 0
	exponent >= -9
}

_rounded(digits, exponent) := _pointed(json.marshal(to_number(_without_leading_zeros(kept)) + _carry(dropped)), 9) if {
	exponent < -9
	padded := _padded(digits, -9 - exponent)
	cut := count(padded) - (-9 - exponent)
	kept := substring(padded, 0, cut)
	dropped := substring(padded, cut, -1)
}

_carry(dropped) := 0 if trim_left(dropped, "0") == ""

_carry(dropped) := 1 if trim_left(dropped, "0") != ""

# _pointed sets the decimal point before the last places digits.
_pointed(digits, places) := trim_suffix(trim_right(concat(".", [whole, fraction]), "0"), ".") if {
	padded := _padded(digits, places)
	cut := count(padded) - places
	whole := substring(padded, 0, cut)
	fraction := substring(padded, cut, -1)
}

# _padded leaves at least one digit before the last places digits.
_padded(digits, places) := concat("", [_zeros((places + 1) - count(digits)), digits])

_zeros(number) := "" if number <= 0

_zeros(number) := concat("", ["0" | some _ in numbers.range(1, number)]) if number > 0

_limited(unit, text) := text if not unit.binary

_limited(unit, text) := text if {
	unit.binary
	to_number(text) <= 9223372036854775807
}

_limited(unit, text) := "9223372036854775807" if {
	unit.binary
	to_number(text) > 9223372036854775807
}

_minus("-", text) := "-" if text != "0"

_minus("-", "0") := ""

_minus(sign, _) := "" if sign != "-"

_without_leading_zeros(digits) := trimmed if {
	trimmed := trim_left(digits, "0")
	trimmed != ""
}

_without_leading_zeros(digits) := "0" if trim_left(digits, "0") == ""
