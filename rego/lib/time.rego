# METADATA
# title: Time
# description: |
#   Grants that begin and end at certain times. Call it as data.lib.time.active:
#   importing it as `time` hides OPA's own time functions.
package lib.time

# METADATA
# title: Active period
# description: |
#   True from the time from (inclusive) to the time until (exclusive), else false.
#   Both are RFC 3339, as in 2026-03-01T08:00:00Z; the empty string leaves that
#   side open. Any other text is a policy error, so that a mistyped date neither
#   grants access nor ends a refusal.
# scope: document
default active(_, _) := false

active(from, until) if {
	now := time.now_ns()
	now >= _begin(from)
	now < _end(until)
}

# The clock counts nanoseconds in 64 bits: they cover the years 1677 to 2262.
_begin("") := -9223372036854775808

_begin(instant) := time.parse_rfc3339_ns(instant) if instant != ""

_end("") := 9223372036854775807

_end(instant) := time.parse_rfc3339_ns(instant) if instant != ""
