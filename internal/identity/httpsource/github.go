package httpsource

import (
	"net/http"
	"strings"

	"github.com/verdict-dev/verdict/internal/identity/remote"
)

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
func github(baseURL string) Options {
	version := gitHubServerVersion
	if baseURL == "" || strings.TrimSuffix(baseURL, "/") == gitHubURL {
		version = gitHubVersion
	}
	headers := map[string]string{
		"Accept":               "application/vnd.github+json",
		"Authorization":        "Bearer {token}",
		"User-Agent":           remote.UserAgent, // GitHub refuses requests without one
		"X-GitHub-Api-Version": version,
	}
	absent := []int{http.StatusForbidden, http.StatusNotFound}
	return Options{
		BaseURL:      gitHubURL,
		AllowedHosts: []string{"api.github.com"},
		Requests: []Request{
			{URL: "/user", Headers: headers, Claim: "user"},
			{URL: "/user/orgs?per_page=100", Headers: headers, Claim: "orgs", Pages: gitHubPages, Absent: absent},
			{URL: "/user/teams?per_page=100", Headers: headers, Claim: "teams", Pages: gitHubPages, Absent: absent},
		},
		Subject: "user.id",
		// Those of tokens that belong to a user: OAuth apps, personal access
		// tokens of both kinds, and GitHub Apps on behalf of a user. Older tokens
		// have no prefix, and are not sent.
		Tokens: remote.Tokens{Prefixes: []string{"gho_", "ghp_", "ghu_", "github_pat_"}},
	}
}
