// Package schedulerconfig_test reads the scheduler's configurations in the
// documentation as the scheduler does.
package schedulerconfig_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
)

// TestDocumentedConfigurations decodes each KubeSchedulerConfiguration with
// kube-scheduler's own decoder, which refuses unknown and duplicate fields, and
// validates it. What Verdict needs of an extender is the same everywhere.
func TestDocumentedConfigurations(t *testing.T) {
	docs := filepath.Join("..", "..", "docs")
	shipped := filepath.Join("..", "..", "deploy", "scheduler", "scheduler-config.yaml")
	texts := map[string]string{"scheduler-config.yaml": read(t, shipped)}
	var pages []string
	for _, pattern := range []string{"*.md", "*/*.md"} {
		found, err := filepath.Glob(filepath.Join(docs, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	for _, page := range pages {
		for i, found := range block.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(found[1], "KubeSchedulerConfiguration") {
				texts[fmt.Sprintf("%s block %d", filepath.Base(page), i+1)] = found[1]
			}
		}
	}
	// The one that ships, connect-scheduler.md, and the pages of docs/scheduling.
	if len(texts) < 10 {
		t.Errorf("%d configurations were found", len(texts))
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			object, _, err := scheme.Codecs.UniversalDecoder().Decode([]byte(text), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			configuration, ok := object.(*config.KubeSchedulerConfiguration)
			if !ok {
				t.Fatalf("%T is no KubeSchedulerConfiguration", object)
			}
			if err := validation.ValidateKubeSchedulerConfiguration(configuration); err != nil {
				t.Error(err)
			}
			if len(configuration.Extenders) == 0 {
				t.Error("no extender")
			}
			for _, extender := range configuration.Extenders {
				if extender.FilterVerb != "" && extender.PreemptVerb == "" {
					t.Errorf("extender %s filters, and pods are evicted on nodes that it would refuse", extender.URLPrefix)
				}
				if !extender.NodeCacheCapable || extender.Ignorable || !extender.EnableHTTPS || extender.TLSConfig == nil || extender.TLSConfig.CAFile == "" {
					t.Errorf("extender %s is sent whole nodes, may be ignored, or is not verified", extender.URLPrefix)
				}
			}
		})
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
