package config

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// FuzzParse looks for panics, for errors that say nothing, and for answers that
// differ from one call to the next.
func FuzzParse(f *testing.F) {
	f.Add(DefaultYAML())
	f.Add([]byte(header))
	f.Add([]byte(header + "server: {timeouts: {read: 5}, limits: {reviewBytes: 1Mi}}\n"))
	f.Add([]byte(header + "authentication: {sources: [{name: a, tokenFile: {path: x}}, *a]}\n"))
	f.Add([]byte(header + "server: &a\n  <<: *a\n  tls: !x [1, ~]\n"))
	f.Add([]byte(header + "policy:\n  directories:\n  -\n  - [a]\n---\n? {a: b}\n: c\n"))
	f.Add([]byte("{\"apiVersion\": 1, \"apiVersion\": null}"))
	f.Fuzz(func(t *testing.T, content []byte) {
		config, err := parse("fuzz/verdict.yaml", content)
		again, errAgain := parse("fuzz/verdict.yaml", content)
		if !reflect.DeepEqual(config, again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("two answers: %+v, %v and %+v, %v", config, err, again, errAgain)
		}
		if err == nil {
			if config.APIVersion != APIVersion || config.Kind != Kind {
				t.Fatalf("accepted %q, %q", config.APIVersion, config.Kind)
			}
			return
		}
		mistakes, ok := errors.AsType[*Error](err)
		if config != nil || !ok || len(mistakes.Problems) == 0 {
			t.Fatalf("configuration %+v with error %v", config, err)
		}
		for _, problem := range mistakes.Problems {
			if problem.Message == "" || problem.Line < 0 {
				t.Fatalf("a problem without message or with a wrong line: %+v", problem)
			}
		}
	})
}
