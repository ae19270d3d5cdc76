package httpsource

import (
	"bytes"
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/verdict-dev/verdict/internal/identity/remote"
	"github.com/verdict-dev/verdict/policy/document"
)

// page is one page of a request's answer.
type page struct {
	said    *remote.Answer
	content []byte
	next    string // the link to the next page, "" on the last
}

func (p *page) isList() bool { return p.content[0] == '[' }

// read returns the JSON of all pages of one request, nil when it is absent.
func (e *exchange) read(ctx context.Context, request *preparedRequest) ([]byte, error) {
	at := request.expand(e.token)
	var items [][]byte // of the pages of a list
	size := 0
	for number := 1; ; number++ {
		page, err := e.readPage(ctx, request, at, number)
		switch {
		case err != nil || page == nil:
			return nil, err
		case !page.isList() && (number > 1 || page.next != ""):
			return nil, page.said.Odd("there are several pages, and one of them is not a list: only lists can be put together")
		case !page.isList():
			return page.content, nil
		}
		if size += len(page.content); size > maxClaimsBytes {
			return nil, page.said.Odd("the pages have more than %d bytes together", maxClaimsBytes)
		}
		if inside := bytes.TrimSpace(page.content[1 : len(page.content)-1]); len(inside) > 0 {
			items = append(items, inside)
		}
		switch {
		case page.next == "":
			return slices.Concat([]byte("["), bytes.Join(items, []byte(",")), []byte("]")), nil
		case number == request.Pages:
			return nil, page.said.Odd("the list has more than the %d pages that are allowed", request.Pages)
		}
		if at, err = e.follow(at, page.next); err != nil {
			return nil, page.said.NoAnswer("%w", err)
		}
	}
}

// readPage reads one page, counted from 1; nil when the whole answer is absent.
func (e *exchange) readPage(ctx context.Context, request *preparedRequest, at string, number int) (*page, error) {
	said, err := e.send(ctx, request, at)
	if err != nil {
		return nil, err
	}
	absent, err := request.judge(said)
	switch {
	case err != nil:
		return nil, err
	case absent && number > 1:
		return nil, said.NoAnswer("page %d of a list is missing: the answer has status %d", number, said.Status)
	case absent:
		return nil, nil
	}
	content, err := contentOf(said, request)
	if err != nil {
		return nil, err
	}
	next, err := nextLink(said.Header.Values("Link"))
	if err != nil {
		return nil, said.NoAnswer("%w", err)
	}
	return &page{said, content, next}, nil
}

// contentOf checks the whole text of an answer.
func contentOf(said *remote.Answer, request *preparedRequest) ([]byte, error) {
	if err := said.CheckLength(); err != nil {
		return nil, err
	}
	parsed, err := document.Parse(said.Body)
	if err != nil {
		return nil, said.Unreadable(err)
	}
	defer parsed.Release()
	root := parsed.Root()
	if request.Claim == "" && !root.IsObject() {
		return nil, said.Odd("the answer becomes the claims: it has to be an object, not %s", remote.KindOf(root))
	}
	return root.Raw(), nil
}

// follow returns where a link on the page at from leads, when it may be asked.
func (h *Source) follow(from, link string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return "", errors.New("the URL of the page cannot be read") // it was, to send it
	}
	to, err := base.Parse(link)
	if err != nil {
		return "", errors.New("the next page has no valid URL")
	}
	to.Fragment, to.RawFragment = "", ""
	if _, err := remote.CheckURL("the URL of the next page", to.String()); err != nil {
		return "", errors.New("the next page is not at an https URL")
	}
	if !h.allows(to) {
		return "", errors.New("the next page is on a host that allowedHosts does not list")
	}
	return to.String(), nil
}
