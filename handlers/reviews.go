package handlers

import (
	"context"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/document"
)

// reviewKinds is the table of the reviews that are served: each is a row here and a
// file with its three steps.
var reviewKinds = [...]reviewKind{
	{
		point:   policy.AuthenticationPoint,
		path:    "/authenticate",
		kind:    "TokenReview",
		known:   versionsOf(authenticationv1.GroupName),
		payload: "spec",
		kept:    cache.TokenAnswers, secret: true, identities: true,
		size:        512,
		reviewSteps: stepsOf(readTokenReview, (*handler).authenticate, appendTokenReview),
	},
	{
		point:       policy.AuthorizationPoint,
		path:        "/authorize",
		kind:        "SubjectAccessReview",
		known:       versionsOf(authorizationv1.GroupName),
		payload:     "spec",
		kept:        cache.Answers,
		size:        256,
		reviewSteps: stepsOf(readAccessReview, (*handler).authorize, appendAccessReview),
	},
}

// reviewKind is a kind of review that Kubernetes posts to a path of its own.
type reviewKind struct {
	point policy.Point
	path  string
	kind  string
	known versions
	// payload is the member that says what is asked. A review without it is refused.
	payload string
	// kept is the cache of whole answers; "" for none.
	kept cache.Name
	// secret says that reviews hold secrets: answers are kept by a keyed hash of the
	// request, which itself never becomes a key.
	secret bool
	// identities says that answers depend on the identity sources too.
	identities bool
	// size is that of most answers, in bytes.
	size int
	reviewSteps
}

// reviewSteps are what is done with a review that was parsed.
type reviewSteps struct {
	// read checks it, and brings it into the form that policies see.
	read func(review) error
	// answer does that too, and decides it. view is nil before a revision is loaded.
	answer func(h *handler, c *call, view *policy.View, r review) answered
}

// answered is what a review is answered with.
type answered struct {
	code    int
	body    []byte // the answer, where code is 200
	message string // of a Status, elsewhere
	// outcome is that of the decision in the metrics; "" where there is none.
	outcome string
	expires policy.Expiry
}

// stepsOf puts the steps of one kind of review together: read checks a review and brings it into
// the form that policies see, and returns what is asked beside that; decide decides
// it; encode appends the answer, in the version that was asked in.
func stepsOf[Question, Status any](
	read func(review) (Question, error),
	decide func(h *handler, ctx context.Context, view *policy.View, root document.Value, question Question) outcome[Status],
	encode func(b []byte, apiVersion string, status Status) []byte,
) reviewSteps {
	answer := func(h *handler, c *call, view *policy.View, r review) answered {
		question, err := read(r)
		if err != nil {
			return answered{code: http.StatusBadRequest, message: err.Error()}
		}
		if view == nil {
			return answered{code: http.StatusServiceUnavailable, message: policy.ErrNoRevision.Error()}
		}
		o := decide(h, c.context(), view, r.root, question)
		if o.err != nil {
			return answered{code: http.StatusServiceUnavailable, message: o.err.Error(), outcome: o.name}
		}
		body := encode(make([]byte, 0, r.kind.size), r.apiVersion, o.status)
		return answered{code: http.StatusOK, body: body, outcome: o.name, expires: o.expires}
	}
	return reviewSteps{
		read:   func(r review) error { _, err := read(r); return err },
		answer: answer,
	}
}

// servedReview is a kind of review as one handler serves it.
type servedReview struct {
	*reviewKind
	handler   *handler
	answers   *answers
	decisions *outcomes
}

func (h *handler) newServedReview(kind *reviewKind) *servedReview {
	return &servedReview{
		reviewKind: kind, handler: h,
		answers:   newAnswers(h.Cache, kind.kept, h.Metrics),
		decisions: h.Metrics.decisionsOf(kind.point, reviewVerb),
	}
}

// reviewVerb is the verb of reviews in the metrics.
const reviewVerb = "review"

// serve answers a review: from the cache where the same was asked before and the
// answer still holds.
func (s *servedReview) serve(c *call) {
	view := s.handler.Revisions.View()
	var key []byte
	var current keptAnswer
	if view != nil && s.answers.kept != nil {
		key = s.key(c)
		// Read before anything is decided: what is kept then holds no longer.
		current.generation = view.Generation(s.point)
		if s.identities {
			current.identities = s.handler.Verifier.Generation()
		}
		if kept, ok := s.answers.find(current, key, c.began); ok {
			s.decisions.of(kept.outcome).Inc()
			writeJSON(c, http.StatusOK, kept.body)
			return
		}
	}
	review, err := s.parse(c)
	if err != nil {
		c.refuse(err)
		return
	}
	defer review.json.Release()
	answer := s.answer(s.handler, c, view, review)
	if answer.outcome != "" {
		s.decisions.of(answer.outcome).Inc()
	}
	if answer.code != http.StatusOK {
		writeStatus(c, answer.code, answer.message)
		return
	}
	current.expires, current.body, current.outcome = answer.expires, answer.body, answer.outcome
	s.answers.keep(key, current)
	writeJSON(c, http.StatusOK, answer.body)
}

// key is what the answer to the call is kept by.
func (s *servedReview) key(c *call) []byte {
	if s.secret {
		const size = 64 // of a key, or more, in bytes
		return s.handler.sealer.Append(make([]byte, 0, size), c.body)
	}
	return c.body
}
