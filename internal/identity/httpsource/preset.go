package httpsource

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// presetNames are the names of the services that Options.WithPreset
// knows, sorted.
func presetNames() []string { return slices.Sorted(maps.Keys(presets())) }

func presets() map[string]func(baseURL string) Options {
	return map[string]func(baseURL string) Options{"github": github}
}

// WithPreset returns the options with what the preset called name says in the
// fields that are not set. "" is no preset. The hosts that are allowed belong to
// the base URL: who sets the one has to set the other.
func (o Options) WithPreset(name string) (Options, error) {
	if name == "" {
		return o, nil
	}
	preset, ok := presets()[name]
	if !ok {
		return o, fmt.Errorf("there is no preset %q: use one of %s, or set the requests without a preset", name, strings.Join(presetNames(), ", "))
	}
	known := preset(o.BaseURL)
	if o.BaseURL == "" {
		o.BaseURL = known.BaseURL
		if len(o.AllowedHosts) == 0 {
			o.AllowedHosts = known.AllowedHosts
		}
	}
	if len(o.Requests) == 0 {
		o.Requests = known.Requests
	}
	if o.Subject == "" {
		o.Subject = known.Subject
	}
	if o.Expires == "" {
		o.Expires = known.Expires
	}
	if len(o.Tokens.Prefixes) == 0 {
		o.Tokens.Prefixes = known.Tokens.Prefixes
	}
	return o, nil
}
