package lib.time_test

_noon := time.parse_rfc3339_ns("2026-03-01T12:00:00Z")

test_active if {
	every case in [
		{"from": "2026-03-01T11:00:00Z", "until": "2026-03-01T13:00:00Z", "want": true},
		{"from": "2026-03-01T12:00:00Z", "until": "2026-03-01T13:00:00Z", "want": true},
		{"from": "2026-03-01T11:00:00Z", "until": "2026-03-01T12:00:00Z", "want": false},
		{"from": "2026-03-01T12:00:01Z", "until": "2026-03-01T13:00:00Z", "want": false},
		{"from": "2026-03-01T13:00:00Z", "until": "2026-03-01T11:00:00Z", "want": false},
		{"from": "2026-03-01T13:00:00+02:00", "until": "2026-03-01T07:30:00-05:00", "want": true},
		{"from": "", "until": "2026-03-01T13:00:00Z", "want": true},
		{"from": "2026-03-01T11:00:00Z", "until": "", "want": true},
		{"from": "", "until": "", "want": true},
		{"from": "2026-03-02T00:00:00Z", "until": "", "want": false},
		{"from": "", "until": "2026-02-28T00:00:00Z", "want": false},
	] {
		data.lib.time.active(case.from, case.until) == case.want with time.now_ns as _noon
	}
}
