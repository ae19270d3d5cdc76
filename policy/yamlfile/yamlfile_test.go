package yamlfile

import "testing"

func TestCheckSingle(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    string
	}{
		"nothing":                {"", ""},
		"one document":           {"a: 1\n", ""},
		"a marker before it":     {"# comment\n%YAML 1.2\n---\na: 1\n", ""},
		"a marker after it":      {"a: 1\n---\n", "line 2: a second YAML document begins: a data file holds one"},
		"two documents":          {"---\na: 1\n--- \nb: 2\n", "line 3: a second YAML document begins: a data file holds one"},
		"three dashes in a word": {"a: 1\n---b: 2\n", ""},
		"line ends of Windows":   {"a: 1\r\n---\r\nb: 2\r\n", "line 2: a second YAML document begins: a data file holds one"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := CheckSingle([]byte(test.content)); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
