package lib.scheduling.maintenance_test

import data.lib.scheduling.maintenance

_window := {"from": "2026-03-01T08:00:00Z", "until": "2026-03-01T12:00:00Z"}

_at(clock) := time.parse_rfc3339_ns(concat("", ["2026-03-01T", clock, "Z"]))

test_window if {
	maintenance.window("2026-03-01T08:00:00Z/2026-03-01T12:00:00Z") == _window
	maintenance.window("2024-02-29T23:59:59.5+14:00/2026-12-31T00:00:00-05:30").until == "2026-12-31T00:00:00-05:30"
}

# What is taken for legal must never fail in data.lib.time.active.
test_legal_windows_can_be_read if {
	every instant in ["1970-01-01T00:00:00Z", "2261-12-31T23:59:59.999999999-23:59", "2000-02-29T00:00:00Z", "2026-08-09T08:09:08Z"] {
		window := maintenance.window(concat("/", [instant, instant]))
		every seconds in [0, 1, 2147483647] {
			maintenance.collides(window, seconds) in {true, false}
		}
	}
}

test_other_text_is_undefined if {
	every instant in [
		"", "soon", "2026-03-01", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-03-01T24:00:00Z", "2026-03-01T00:60:00Z", "2026-03-01T00:00:60Z", "2026-03-01T00:00:00",
		"2026-03-01T00:00:00+24:00", "2026-03-01 00:00:00Z", "1677-01-01T00:00:00Z", "2262-06-01T00:00:00Z",
	] {
		not maintenance.window(concat("/", [instant, "2026-03-01T12:00:00Z"]))
		not maintenance.window(concat("/", ["2026-03-01T12:00:00Z", instant]))
	}
	every text in [null, 7, "2026-03-01T12:00:00Z", "a/b/c"] {
		not maintenance.window(text)
	}
}

test_seconds if {
	maintenance.seconds({"spec": {"activeDeadlineSeconds": 60}}) == 60
	maintenance.seconds({"spec": {}}) == 0
	maintenance.seconds({}) == 0
	maintenance.seconds({"spec": {"activeDeadlineSeconds": "60"}}) == 0
}

test_collides if {
	every case in [
		{"clock": "07:59:59", "seconds": 0, "want": false},
		{"clock": "08:00:00", "seconds": 0, "want": true},
		{"clock": "11:59:59", "seconds": 0, "want": true},
		{"clock": "12:00:00", "seconds": 0, "want": false},
		{"clock": "06:59:59", "seconds": 3600, "want": false},
		{"clock": "07:00:00", "seconds": 3600, "want": true},
		{"clock": "12:00:00", "seconds": 3600, "want": false},
	] {
		maintenance.collides(_window, case.seconds) == case.want with time.now_ns as _at(case.clock)
	}
}

test_parts_of_a_second_count if {
	window := {"from": "2026-03-01T08:00:00.25Z", "until": ""}
	maintenance.collides(window, 1) == false with time.now_ns as _at("07:59:59")
	maintenance.collides(window, 1) with time.now_ns as _at("07:59:59.25")
}

test_open_sides if {
	maintenance.collides({"from": "", "until": "2026-03-01T12:00:00Z"}, 60) with time.now_ns as _at("00:00:00")
	maintenance.collides({"from": "2026-03-01T08:00:00Z", "until": ""}, 60) with time.now_ns as _at("23:00:00")
}
