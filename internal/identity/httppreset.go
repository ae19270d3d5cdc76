package identity

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// HTTPPresets are the names of the services that HTTPSourceOptions.WithPreset
// knows, sorted.
func HTTPPresets() []string { return slices.Sorted(maps.Keys(httpPresets())) }

func httpPresets() map[string]func(baseURL string) HTTPSourceOptions {
	return map[string]func(baseURL string) HTTPSourceOptions{"github": github}
}

// WithPreset returns the options with what the preset called name says in the
// fields that are not set. "" is no preset. The hosts that are allowed belong to
// the base URL: who sets the one has to set the other.
func (o HTTPSourceOptions) WithPreset(name string) (HTTPSourceOptions, error) {
	if name == "" {
		return o, nil
	}
	preset, ok := httpPresets()[name]
	if !ok {
		return o, fmt.Errorf("there is no preset %q: use one of %s, or set the requests without a preset", name, strings.Join(HTTPPresets(), ", "))
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

const (
	gitHubURL = "https://api.github.com"
	// gitHubVersion is the current version of GitHub's REST API. One is
	// supported for 24 months after the next is released.
	gitHubVersion = "2026-03-10"
	// gitHubServerVersion is the version that every supported release of GitHub
	// Enterprise Server knows; one that a server does not know is refused.
	gitHubServerVersion = "2022-11-28"
	gitHubPages         = 10
)

// github asks GitHub's REST API who the token's user is, and for the
// organizations and teams that the token lets us see: claims user, orgs and
// teams.
//
// The subject is the user's number. A login can be changed, and is then free for
// anybody to register: what was granted to the login would be theirs.
//
// A token without the scope read:org (or a fine-grained one without permission
// to read members) is answered 403 or 404 for the latter two, which are then
// absent. The token of one who has more than 1,000 of either is refused.
func github(baseURL string) HTTPSourceOptions {
	version := gitHubServerVersion
	if baseURL == "" || strings.TrimSuffix(baseURL, "/") == gitHubURL {
		version = gitHubVersion
	}
	headers := map[string]string{
		"Accept":               "application/vnd.github+json",
		"Authorization":        "Bearer {token}",
		"User-Agent":           userAgent, // GitHub refuses requests without one
		"X-GitHub-Api-Version": version,
	}
	absent := []int{http.StatusForbidden, http.StatusNotFound}
	return HTTPSourceOptions{
		BaseURL:      gitHubURL,
		AllowedHosts: []string{"api.github.com"},
		Requests: []HTTPRequest{
			{URL: "/user", Headers: headers, Claim: "user"},
			{URL: "/user/orgs?per_page=100", Headers: headers, Claim: "orgs", Pages: gitHubPages, Absent: absent},
			{URL: "/user/teams?per_page=100", Headers: headers, Claim: "teams", Pages: gitHubPages, Absent: absent},
		},
		Subject: "user.id",
		// Those of tokens that belong to a user: OAuth apps, personal access
		// tokens of both kinds, and GitHub Apps on behalf of a user. Older tokens
		// have no prefix, and are not sent.
		Tokens: Tokens{Prefixes: []string{"gho_", "ghp_", "ghu_", "github_pat_"}},
	}
}
