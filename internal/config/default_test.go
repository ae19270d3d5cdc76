package config

import (
	"reflect"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func TestDefaultYAMLIsDefault(t *testing.T) {
	parsed, err := parse("default.yaml", DefaultYAML())
	if err != nil {
		t.Fatal(err)
	}
	if want := Default(); !reflect.DeepEqual(parsed, want) {
		t.Errorf("parsed:\n%+v\nwant:\n%+v", parsed, want)
	}
}

// Without this a field that is missing from the file would take its default
// and the test above would not see it.
func TestDefaultYAMLHasEveryFieldWithAComment(t *testing.T) {
	var document yaml.Node
	if err := yaml.Unmarshal(DefaultYAML(), &document); err != nil {
		t.Fatal(err)
	}
	// Below a list or a pointer there is no default that could be shown.
	checkFields(t, "", document.Content[0], structFields(reflect.ValueOf(Default()).Elem()))
}

func checkFields(t *testing.T, path string, node *yaml.Node, fields fields) {
	t.Helper()
	given := map[string]*yaml.Node{}
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i]
		given[key.Value] = node.Content[i+1]
		if key.HeadComment == "" {
			t.Errorf("%s has no comment", join(path, key.Value))
		}
	}
	for i, name := range fields.names {
		node, ok := given[name]
		if !ok {
			t.Errorf("%s is missing", join(path, name))
			continue
		}
		switch value := fields.value(i); {
		case value.Type().Implements(reflect.TypeFor[table]()):
			checkFields(t, join(path, name), node, tableFields(value.Interface().(table)))
		case value.Kind() == reflect.Struct:
			checkFields(t, join(path, name), node, structFields(value))
		}
	}
}

// The file shows the defaults to people; here they are once more as values, so
// that a slip in both places does not go unseen.
func TestDefaults(t *testing.T) {
	config := Default()
	for _, test := range []struct {
		path      string
		got, want any
	}{
		{"server.address", config.Server.Address, "127.0.0.1:8443"},
		{"server.maxInFlight", config.Server.MaxInFlight, 1024},
		{"server.limits.reviewBytes", config.Server.Limits.ReviewBytes, int64(1048576)},
		{"server.limits.schedulingBytes", config.Server.Limits.SchedulingBytes, int64(67108864)},
		{"server.maxBytesInFlight", config.Server.MaxBytesInFlight, int64(536870912)},
		{"server.limits.reviewValues", config.Server.Limits.ReviewValues, 20000},
		{"server.limits.schedulingValues", config.Server.Limits.SchedulingValues, 4000000},
		{"server.limits.objectValues", config.Server.Limits.ObjectValues, 100000},
		{"server.timeouts.decision", config.Server.Timeouts.Decision, 30 * time.Second},
		{"policy.loadTimeout", config.Policy.LoadTimeout, time.Minute},
		{"operations.address", config.Operations.Address, "127.0.0.1:8081"},
		{"shutdown.drain", config.Shutdown.Drain, 5 * time.Second},
		{"authorization.onError", config.Authorization.OnError, OnErrorDeny},
		{"authorization.onUnavailable", config.Authorization.OnUnavailable, OnUnavailableUnavailable},
	} {
		if test.got != test.want {
			t.Errorf("%s: %v, want %v", test.path, test.got, test.want)
		}
	}
	if err := config.CheckExposure(false); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
}

func TestDefaultsAreNotShared(t *testing.T) {
	DefaultYAML()[0] = 'X'
	if DefaultYAML()[0] == 'X' {
		t.Error("DefaultYAML gives the same memory twice")
	}
	Default().Server.MaxInFlight = 1
	if Default().Server.MaxInFlight == 1 {
		t.Error("Default gives the same value twice")
	}
}
