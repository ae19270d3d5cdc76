package lib.paths_test

import data.lib.paths

test_matches if {
	every case in [
		{"granted": ["/version"], "path": "/version", "want": true},
		{"granted": ["/version"], "path": "/version/", "want": false},
		{"granted": ["/healthz*"], "path": "/healthz/etcd", "want": true},
		{"granted": ["/healthz*"], "path": "/healthz", "want": true},
		{"granted": ["/healthz/*"], "path": "/healthz", "want": false},
		{"granted": ["*"], "path": "/metrics", "want": true},
		{"granted": ["/a*b"], "path": "/axb", "want": false},
		{"granted": ["/version"], "path": "*", "want": false},
		{"granted": ["/version"], "path": "/*", "want": false},
		{"granted": [], "path": "/version", "want": false},
		{"granted": null, "path": "/version", "want": false},
		{"granted": [7, null], "path": "/version", "want": false},
		{"granted": ["*"], "path": 7, "want": false},
	] {
		paths.matches(case.granted, case.path) == case.want
	}
}
