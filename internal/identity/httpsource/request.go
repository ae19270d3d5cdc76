package httpsource

import (
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// Request is one question to the service. In the path and the query of URL,
// escaped, and in the values of Headers, the text {token} stands for the token.
type Request struct {
	// Method is GET or POST; "" means GET.
	Method  string            `yaml:"method"`
	URL     string            `yaml:"url"`
	Headers map[string]string `yaml:"headers"`
	// Claim is where in the claims the JSON of the answer goes; "" for the claims
	// themselves, which needs an object.
	Claim string `yaml:"claim"`
	// Pages is how many pages a list may have, each of which names the next by
	// the Link header (RFC 8288); 0 means 1. The token of one who has more is
	// refused: half of a user's groups must decide nothing.
	Pages int `yaml:"pages"`
	// Accepted, Rejected and Absent are status codes: the answer counts, the
	// token is no good, there is nothing to put at Claim. Any other is a fault;
	// and so is one of Absent, or of Rejected other than 401, when the answer says
	// that too much was asked for. nil means 200 and 401, and none for Absent.
	Accepted []int `yaml:"accepted"`
	Rejected []int `yaml:"rejected"`
	Absent   []int `yaml:"absent"`
}

// preparedRequest is an Request that was checked.
type preparedRequest struct {
	Request
	url     string // with the base
	carries bool   // the token
}

func (h *Source) prepare(r Request) (preparedRequest, error) {
	prepared := preparedRequest{Request: r, url: r.URL}
	p := &prepared
	if p.Method == "" {
		p.Method = http.MethodGet
	}
	if p.Method != http.MethodGet && p.Method != http.MethodPost {
		return prepared, fmt.Errorf("method is %q: use GET or POST", p.Method)
	}
	if p.Pages == 0 {
		p.Pages = 1
	}
	switch {
	case p.Pages < 1 || p.Pages > maxPages:
		return prepared, fmt.Errorf("pages is %d: use 1 to %d", p.Pages, maxPages)
	case p.Pages > 1 && p.Method != http.MethodGet:
		return prepared, fmt.Errorf("pages is %d with the method %s: further pages are read by GET only", p.Pages, p.Method)
	}
	if err := h.prepareURL(p); err != nil {
		return prepared, err
	}
	if err := prepareHeaders(p); err != nil {
		return prepared, err
	}
	return prepared, prepareStatuses(p)
}

func (h *Source) prepareURL(p *preparedRequest) error {
	if strings.HasPrefix(p.url, "/") {
		if h.options.BaseURL == "" {
			return errors.New("url begins with / and there is no baseURL: set one, or write the whole URL")
		}
		p.url = strings.TrimSuffix(h.options.BaseURL, "/") + p.url
	}
	// What differs between two tokens is where the token goes.
	one, err := remote.CheckURL("url", strings.ReplaceAll(p.url, tokenMark, "1"))
	if err != nil {
		return err
	}
	two, err := remote.CheckURL("url", strings.ReplaceAll(p.url, tokenMark, "2"))
	if err != nil || one.Scheme != two.Scheme || one.Host != two.Host {
		return errors.New("url has {token} in its scheme or host: it may only be in the path, the query and headers")
	}
	if !h.allows(one) {
		return fmt.Errorf("url goes to %s, which allowedHosts does not list: add it there", one.Host)
	}
	path, _, _ := strings.Cut(p.url, "?")
	h.InPath = h.InPath || strings.Contains(path, tokenMark)
	p.carries = strings.Contains(p.url, tokenMark)
	return nil
}

// prepareHeaders refuses headers that the client sets itself.
func prepareHeaders(p *preparedRequest) error {
	seen := map[string]bool{}
	for name, value := range p.Headers {
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		switch canonical {
		case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Accept-Encoding", "Te", "Trailer", "Upgrade", "Expect", "Proxy-Authorization":
			return fmt.Errorf("headers has %s, which the connection decides: remove it", name)
		}
		if !isFieldName(name) {
			return fmt.Errorf("headers has %q, which cannot be the name of a header", name)
		}
		if seen[canonical] {
			return fmt.Errorf("headers has %s twice, since case does not count: remove one", name)
		}
		seen[canonical] = true
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f }) {
			return fmt.Errorf("headers has a value of %s that is not printable ASCII: correct it", name)
		}
		p.carries = p.carries || strings.Contains(value, tokenMark)
	}
	return nil
}

func prepareStatuses(p *preparedRequest) error {
	if p.Accepted == nil {
		p.Accepted = []int{http.StatusOK}
	}
	if p.Rejected == nil {
		p.Rejected = []int{http.StatusUnauthorized}
	}
	if len(p.Accepted) == 0 {
		return errors.New("accepted is empty: list the status of a good answer, such as 200")
	}
	seen := map[int]string{}
	for _, list := range []struct {
		name     string
		statuses []int
		fits     func(int) bool
		wants    string
	}{
		{"accepted", p.Accepted, isSuccess, "200 to 299"},
		{"rejected", p.Rejected, isRefusal, "400 to 499"},
		{"absent", p.Absent, func(s int) bool { return isSuccess(s) || isRefusal(s) }, "200 to 299 and 400 to 499"},
	} {
		for _, status := range list.statuses {
			switch {
			case status == http.StatusTooManyRequests:
				return fmt.Errorf("%s has 429, which says nothing of the token: remove it", list.name)
			case !list.fits(status):
				return fmt.Errorf("%s has %d, which says nothing of the token: use %s", list.name, status, list.wants)
			case seen[status] != "" && seen[status] != list.name:
				return fmt.Errorf("%s has %d, as %s does: it can mean one thing only", list.name, status, seen[status])
			}
			seen[status] = list.name
		}
	}
	return nil
}

func isSuccess(status int) bool { return 200 <= status && status < 300 }
func isRefusal(status int) bool { return 400 <= status && status < 500 }

// judge says what the status means; absent is only of use without an error.
func (p *preparedRequest) judge(said *remote.Answer) (absent bool, err error) {
	switch {
	case said.Status == http.StatusTooManyRequests:
		// The limit is that of the token's user, whose token the request bears.
		return false, said.NoAnswer("the answer has status %d", said.Status)
	case slices.Contains(p.Accepted, said.Status):
		return false, nil
	case p.mayMeanTooMuch(said.Status) && said.OverLimit():
		return false, said.NoAnswer("the answer has status %d because too much was asked for", said.Status)
	case slices.Contains(p.Rejected, said.Status):
		return false, sources.Refused("the service answers with status %d", said.Status)
	case slices.Contains(p.Absent, said.Status):
		return true, nil
	}
	return false, said.Unexpected()
}

// mayMeanTooMuch reports whether the status, which means something here, could
// also mean that too much was asked for, as 403 of GitHub's does.
func (p *preparedRequest) mayMeanTooMuch(status int) bool {
	return slices.Contains(p.Absent, status) || status != http.StatusUnauthorized && slices.Contains(p.Rejected, status)
}

// expand is the URL with the token in it.
func (p *preparedRequest) expand(token *sources.Token) string {
	path, query, has := strings.Cut(p.url, "?")
	expanded := strings.ReplaceAll(path, tokenMark, url.PathEscape(token.Reveal()))
	if has {
		expanded += "?" + strings.ReplaceAll(query, tokenMark, url.QueryEscape(token.Reveal()))
	}
	return expanded
}
