package policy

import (
	"strings"
	"testing"
)

func TestHiddenAnnotationsAreWarnedOf(t *testing.T) {
	const reads = "# a comment\nreject contains \"taken\" if {\n\tsome pod in input.state.pods\n\tpod.annotations[\"example.com/gpu\"] == \"0\"\n}\n"
	for name, test := range map[string]struct {
		rules   string
		allowed []string
		want    string // "" for none
	}{
		"left out":            {reads, []string{"example.com/other"}, "p.rego:6:18: kubernetes.scheduling.reject reads the annotation example.com/gpu"},
		"none listed":         {reads, []string{}, "list it there"},
		"listed":              {reads, []string{"example.com/gpu"}, ""},
		"listed by a prefix":  {reads, []string{"example.com/"}, ""},
		"a name with more":    {reads, []string{"example.com/gpus", "example.com"}, "example.com/gpu"},
		"nobody says":         {reads, nil, ""},
		"a victim's":          {`protect contains "x" if input.victim.annotations.keep`, []string{}, "protect reads the annotation keep"},
		"one of the victims'": {`protect contains "x" if input.victims[_].annotations.keep`, []string{}, "protect reads the annotation keep"},
		"of who stays":        {`protect contains "x" if input.stateWithout.pods[_].annotations.keep`, []string{}, "protect reads the annotation keep"},
		"through a function":  {"f(pod) := pod.annotations.gpu\n\nannotate.gpu := \"1\" if f(input.state.pods[_]) == \"0\"", []string{}, "annotate reads the annotation gpu"},
		"any of them":         {"reject contains key if {\n\tsome pod in input.state.pods\n\tsome key, _ in pod.annotations\n}", []string{}, "scheduling.podAnnotations lists none"},
		"any of some":         {"reject contains key if {\n\tsome pod in input.state.pods\n\tsome key, _ in pod.annotations\n}", []string{"a"}, ""},
		"a count of pods":     {`reject contains "x" if count(input.state.pods) > 3`, []string{}, ""},
		"the pod's own":       {`reject contains "x" if input.pod.metadata.annotations.gpu`, []string{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			revision, err := Compile(t.Context(), Content{Modules: []Module{{Path: "p.rego", Source: []byte(sched + test.rules)}}}, Options{PodAnnotations: test.allowed})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, warning := range revision.Warnings() {
				got = append(got, warning.String())
			}
			if all := strings.Join(got, "\n"); (test.want == "") != (len(got) == 0) || !strings.Contains(all, test.want) {
				t.Errorf("warnings %q, want %q", got, test.want)
			}
		})
	}
}
