package handlers

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// refusalsLogged is how many refusals of a kind are logged in refusalsEvery.
	refusalsLogged = 5
	refusalsEvery  = 10 * time.Second
	// maxRefusalKinds bounds the kinds that are told apart.
	maxRefusalKinds = 256
)

// refusalLog logs refused tokens, of which any caller can make as many as it likes:
// the first few of a kind in a while, each with the number of those since the last
// that were not. A kind is a message and a reason, in which numbers and quoted
// texts, which callers choose, count for nothing.
type refusalLog struct {
	log *zap.Logger

	mu    sync.Mutex
	kinds map[string]*refusalKind
}

type refusalKind struct {
	began      time.Time
	logged     int
	suppressed int
}

func newRefusalLog(log *zap.Logger) *refusalLog {
	return &refusalLog{log: log, kinds: map[string]*refusalKind{}}
}

// refused logs the refusal, unless there are too many of its kind. The fields are
// only asked for when it is logged.
func (r *refusalLog) refused(message, reason string, fields func() []zap.Field) {
	entry := r.log.Check(zapcore.InfoLevel, message)
	if entry == nil {
		return
	}
	suppressed, ok := r.admit(message+"\x00"+kindOfReason(reason), time.Now())
	if !ok {
		return
	}
	all := fields()
	if suppressed > 0 {
		all = append(all, zap.Int("suppressed", suppressed))
	}
	entry.Write(all...)
}

// admit reports whether a refusal of the kind is logged, and how many before it
// were not.
func (r *refusalLog) admit(kind string, now time.Time) (suppressed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.kinds[kind]
	if known == nil {
		if len(r.kinds) >= maxRefusalKinds {
			r.forget(now)
		}
		if len(r.kinds) >= maxRefusalKinds {
			kind = "" // the rest
		}
		if known = r.kinds[kind]; known == nil {
			known = &refusalKind{began: now}
			r.kinds[kind] = known
		}
	}
	if now.Sub(known.began) >= refusalsEvery {
		known.began, known.logged = now, 0
	}
	if known.logged == refusalsLogged {
		known.suppressed++
		return 0, false
	}
	known.logged++
	suppressed, known.suppressed = known.suppressed, 0
	return suppressed, true
}

// forget drops the kinds of which nothing is left to be said.
func (r *refusalLog) forget(now time.Time) {
	for kind, known := range r.kinds {
		if known.suppressed == 0 && now.Sub(known.began) >= refusalsEvery {
			delete(r.kinds, kind)
		}
	}
}

var chosenByCallers = regexp.MustCompile(`"(?:[^"\\]|\\.)*"…?|[0-9]+`)

// kindOfReason is a reason without what differs from token to token.
func kindOfReason(reason string) string {
	const longest = 512
	if len(reason) > longest {
		reason = reason[:longest]
	}
	return chosenByCallers.ReplaceAllString(reason, "_")
}

// secrets are texts that no log may hold: the token of a review, and whatever else
// its sender may have put where no token belongs.
type secrets []string

const (
	hiddenSecret = "[token]"
	// leastSecret is the length from which on a text is hidden, in bytes.
	leastSecret = 5
)

// signedToken has the form of a JWT, wherever it stands.
var signedToken = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*`)

// secretsOf are the token and the audiences that may be tokens.
func secretsOf(token string, audiences []string, known ...[]string) secrets {
	s := secrets{token}
	for _, audience := range audiences {
		if showsAudience(audience, known...) != audience {
			s = append(s, audience)
		}
	}
	return s
}

// hide returns the text without the secrets, as they are or escaped for a URL.
func (s secrets) hide(text string) string {
	for _, secret := range s {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if len(form) >= leastSecret {
				text = strings.ReplaceAll(text, form, hiddenSecret)
			}
		}
	}
	return signedToken.ReplaceAllString(text, hiddenSecret)
}

func (s secrets) hideAll(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = s.hide(text)
	}
	return out
}

// hideError is the error without the secrets in its text.
func (s secrets) hideError(err error) error {
	if text := s.hide(err.Error()); text != err.Error() {
		return &hidingError{error: err, text: text}
	}
	return err
}

type hidingError struct {
	error
	text string
}

// Error implements error.
func (e *hidingError) Error() string { return e.text }

// Unwrap implements what errors.Is looks for.
func (e *hidingError) Unwrap() error { return e.error }

// showsAudience is an audience as it may be logged: whole when it is one of those
// that are known, or an https URL without anything in it that could be a secret.
func showsAudience(audience string, known ...[]string) string {
	for _, list := range known {
		if slices.Contains(list, audience) {
			return audience
		}
	}
	const longestPart = 32 // of a host or a path
	parsed, err := url.Parse(audience)
	if err != nil || parsed.Scheme != "https" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" || parsed.Opaque != "" {
		return hiddenAudience
	}
	parts := append(strings.Split(parsed.Host, "."), strings.Split(parsed.Path, "/")...)
	if slices.ContainsFunc(parts, func(part string) bool { return len(part) > longestPart }) {
		return hiddenAudience
	}
	return audience
}

const hiddenAudience = "[not shown]"

func showsAudiences(audiences []string, known ...[]string) []string {
	const most = 10
	out := make([]string, 0, min(len(audiences), most))
	for _, audience := range audiences[:min(len(audiences), most)] {
		out = append(out, showsAudience(audience, known...))
	}
	return out
}
