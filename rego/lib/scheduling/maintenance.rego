# METADATA
# title: Maintenance windows
# description: |
#   Whether a pod that starts now would still run during a window {from, until} of
#   two RFC 3339 times, of which one may be "". Decisions are cached until the answer
#   changes, as with data.lib.time.active.
package lib.scheduling.maintenance

# METADATA
# title: Window written as text
# description: |
#   The window in a text such as "2026-03-01T08:00:00Z/2026-03-01T12:00:00Z".
#   Undefined for other text, so that an invalid annotation is not a policy error;
#   both times are needed, from 1970 to 2261.
window(text) := {"from": from, "until": until} if {
	is_string(text)
	[from, until] := split(text, "/")
	_legal(from)
	_legal(until)
}

# METADATA
# title: Running time of a pod
# description: |
#   The seconds after which Kubernetes ends the v1 Pod, its activeDeadlineSeconds;
#   0 without.
# scope: document
default seconds(_) := 0

seconds(pod) := pod.spec.activeDeadlineSeconds if {
	is_number(pod.spec.activeDeadlineSeconds)
	pod.spec.activeDeadlineSeconds > 0
}

# METADATA
# title: Collision
# description: |
#   True when a pod that starts now and runs for the seconds would run during the
#   window, else false: from that long before the window until its end. More than
#   ten years count as ten. A time that cannot be read is a policy error.
# scope: document
default collides(_, _) := false

collides(window_, seconds_) if data.lib.time.active(_earlier(window_.from, seconds_), window_.until)

_earlier(from, seconds_) := from if {
	not _ahead(from, seconds_)
}

_earlier(from, seconds_) := instant if {
	_ahead(from, seconds_)
	nanoseconds := time.parse_rfc3339_ns(from) - (min([seconds_, 315360000]) * 1000000000)
	instant := time.format([nanoseconds, "UTC", "2006-01-02T15:04:05.999999999Z07:00"])
}

_ahead(from, seconds_) if {
	from != ""
	seconds_ > 0
}

_pattern := `^(19[7-9][0-9]|2[01][0-9]{2}|22[0-5][0-9]|226[01])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`

_legal(instant) if {
	regex.match(_pattern, instant)
	[year, month, day] := [to_number(trim_left(part, "0")) | some part in split(substring(instant, 0, 10), "-")]
	day <= _days(year, month)
}

_days(_, month) := 30 if month in {4, 6, 9, 11}

_days(_, month) := 31 if month in {1, 3, 5, 7, 8, 10, 12}

_days(year, 2) := 29 if _leap(year)

_days(year, 2) := 28 if not _leap(year)

_leap(year) if {
	year % 4 == 0
	year % 100 != 0
}

_leap(year) if year % 400 == 0
