package httpsource

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/remote"
)

// Options say what is asked, and what is made of the answers.
type Options struct {
	// Name is what policies, metrics and logs call the source.
	Name string `yaml:"-"`
	// Preset names a service that is known: it fills in the fields that are not
	// set. "" is none.
	Preset string `yaml:"preset"`
	// BaseURL comes before those URLs of Requests that begin with "/".
	BaseURL string `yaml:"baseURL"`
	// AllowedHosts are the hosts, with a port where it is not the scheme's, that
	// requests may go to: those of Requests and those of further pages.
	AllowedHosts []string `yaml:"allowedHosts"`
	// Requests are made in this order, until one says that the token is no good.
	// One of them has to carry the token and have no Absent statuses, so that
	// something proves the token.
	Requests []Request `yaml:"requests"`
	// Subject is where the subject is found in the claims: names joined by dots.
	// It has to be a string or a whole number there.
	Subject string `yaml:"subject"`
	// Expires likewise for when the token expires, in seconds since 1970 or in
	// RFC 3339; "" when the service does not say. It may be absent or null.
	Expires string        `yaml:"expires"`
	Tokens  remote.Tokens `yaml:"tokens"`
	// Connection is how New reaches the service.
	Connection remote.Connection `yaml:"connection"`
	// Timeout bounds one verification, all requests of it; 0 means 5 seconds.
	Timeout time.Duration `yaml:"-"`
	// Now is the clock that tokens expire by; nil means time.Now.
	Now func() time.Time `yaml:"-"`
}

func (h *Source) configure() error {
	o := h.options
	switch {
	case len(o.Requests) == 0:
		return errors.New("requests is empty: nothing would verify a token; add one, or name a preset")
	case len(o.AllowedHosts) == 0:
		return errors.New("allowedHosts is empty: list the hosts that tokens may be sent to")
	}
	if o.BaseURL != "" {
		base, err := remote.CheckURL("baseURL", o.BaseURL)
		switch {
		case err != nil:
			return err
		case base.RawQuery != "" || base.ForceQuery || strings.Contains(o.BaseURL, tokenMark):
			return errors.New("baseURL has a query or {token}: put them into the URLs of the requests")
		}
	}
	if err := h.allow(o.AllowedHosts); err != nil {
		return err
	}
	if err := h.prepareAll(o.Requests); err != nil {
		return err
	}
	if err := checkClaimPath("subject", o.Subject); err != nil {
		return err
	}
	if o.Expires != "" {
		if err := checkClaimPath("expires", o.Expires); err != nil {
			return err
		}
	}
	return o.Tokens.Check()
}

// allow takes the hosts that requests may go to.
func (h *Source) allow(hosts []string) error {
	for i, host := range hosts {
		parsed, err := url.Parse("https://" + host)
		if err != nil || parsed.Host != host || parsed.Hostname() == "" {
			return fmt.Errorf("allowedHosts[%d] is %q: write a host without scheme and path, with a port only where it is not the usual one", i, host)
		}
		h.allowed = append(h.allowed, authority(parsed))
		if parsed.Port() == "" {
			parsed.Scheme = "http" // which checkURL lets through for loopback hosts
			h.allowed = append(h.allowed, authority(parsed))
		}
	}
	return nil
}

// prepareAll checks the requests, of which one has to prove the token.
func (h *Source) prepareAll(requests []Request) error {
	claims := map[string]bool{}
	proven := false
	for i, request := range requests {
		prepared, err := h.prepare(request)
		if err != nil {
			return fmt.Errorf("requests[%d].%w", i, err)
		}
		if claims[request.Claim] {
			return fmt.Errorf("requests[%d].claim is %q, as that of an earlier request: each needs a place of its own", i, request.Claim)
		}
		claims[request.Claim] = true
		proven = proven || prepared.carries && len(prepared.Absent) == 0
		h.requests = append(h.requests, prepared)
	}
	if !proven {
		return errors.New("no request proves the token: one has to have {token} in its url or headers, and no absent statuses")
	}
	return nil
}

func checkClaimPath(field, path string) error {
	if slices.Contains(strings.Split(path, "."), "") {
		return fmt.Errorf("%s is %q: name where it is found in the claims, such as user.id", field, path)
	}
	return nil
}

// isFieldName is RFC 9110 §5.1.
func isFieldName(name string) bool {
	for i := range len(name) {
		if !isTokenCharacter(name[i]) {
			return false
		}
	}
	return name != ""
}

// authority is the host and the port that the URL leads to.
func authority(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	return strings.ToLower(u.Hostname()) + " " + port
}
